"""Make the eight documents of the exam set, beside this file: four digital PDFs, four scans.

Every person, company, number and amount is invented. Run `python make.py`; it needs pymupdf, numpy,
pillow and opencv. The same seed gives the same pages.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from digital import contract, expense_claim, quotation, water_bill
from PIL import Image
from scanned import calibration, loan_statement, membership, packing_list
from sheet import A4, Sheet

HERE = Path(__file__).resolve().parent
SEED = 20260217


def scan(page: pymupdf.Page, rng: np.random.Generator) -> np.ndarray:
    """Return the page as a grey 200 dpi raster with slight skew, blur and noise."""
    pix = page.get_pixmap(dpi=200, colorspace=pymupdf.csGRAY)
    image = np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.width)
    angle = float(rng.choice((-1, 1)) * rng.uniform(0.25, 0.7))
    turn = cv2.getRotationMatrix2D((pix.width / 2, pix.height / 2), angle, 1.0)
    image = cv2.warpAffine(image, turn, (pix.width, pix.height), flags=cv2.INTER_CUBIC, borderValue=255)
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 0.9)))
    noisy = 28 + image.astype(np.float32) * (216 / 255) + rng.normal(0, 5, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def save(name: str, sheet: Sheet, rng: np.random.Generator, scanned: bool) -> None:
    """Write one document: the digital PDF, or its scan as PDF or PNG by the name's ending."""
    target = HERE / name
    if not scanned:
        sheet.doc.save(target, garbage=4, deflate=True, no_new_id=True)
        return
    out = pymupdf.open()
    for page in sheet.doc:
        image = scan(page, rng)
        if target.suffix == ".png":
            levels = np.round(image / 36.0).astype(np.uint8) * 36
            Image.fromarray(levels).save(target, optimize=True, dpi=(200, 200))
            return
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 45])[1].tobytes()
        out.new_page(width=A4[0], height=A4[1]).insert_image((0, 0, *A4), stream=jpeg)
    out.save(target, garbage=4, deflate=True, no_new_id=True)


DOCUMENTS: dict[str, tuple[Callable[[], Sheet], bool]] = {
    "joinery_quotation.pdf": (quotation, False),
    "wasserabrechnung.pdf": (water_bill, False),
    "employment_contract.pdf": (contract, False),
    "expense_claim.pdf": (expense_claim, False),
    "calibration_certificate.png": (calibration, True),
    "loan_statement.pdf": (loan_statement, True),
    "packing_list.png": (packing_list, True),
    "membership_renewal.pdf": (membership, True),
}


def main() -> None:
    """Write every document."""
    rng = np.random.default_rng(SEED)
    for name, (draw, scanned) in DOCUMENTS.items():
        save(name, draw(), rng, scanned)


if __name__ == "__main__":
    main()
