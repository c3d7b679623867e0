"""Draw the demo corpus: a contract, a scanned letter, a photographed delivery note and a camera clip.

Usage: ``python infra/demo/make_corpus.py OUTDIR [--truth DIR]``

Everything is made up and seeded, so the same library versions give the same bytes. With ``--truth`` the
true text of each file is written to DIR as well. Needs PyMuPDF, NumPy, OpenCV and PyAV (with libx264).
"""

import argparse
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pymupdf
import sheets

FPS, SECONDS, WIDTH, HEIGHT = 25, 12, 1280, 720
CUT_S = 6
CAMERAS = ("CAM 2 DOCK NORTH", "CAM 5 YARD SOUTH")
BANNER, BANNER_FROM_S, BANNER_TO_S = "GATE 4 OPEN", 3, 8
Image = np.ndarray[Any, np.dtype[Any]]
Color = tuple[int, int, int]


def raster(doc: Any, dpi: int) -> Image:
    """Render the first page in gray."""
    pix = doc[0].get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    return np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.stride)[:, : pix.width].copy()


def jpeg(image: Image, quality: int) -> bytes:
    """Encode an image as JPEG."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def save_pdf(doc: Any, path: Path, title: str) -> None:
    """Save without anything that changes from run to run."""
    date = "D:20250601090000Z"
    doc.set_metadata({"title": title, "producer": "", "creationDate": date, "modDate": date})
    doc.save(path, garbage=3, deflate=True, no_new_id=True)


def scan(page: Image) -> Image:
    """Make a clean 200 dpi page look scanned: paper tone, skew, soft focus, a fold, a dark edge and noise."""
    rng = np.random.default_rng(sheets.SEED)
    height, width = page.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 0.5, 1.0)
    ink = cv2.warpAffine(255 - page, turn, (width, height), flags=cv2.INTER_CUBIC).astype(np.float32) / 255
    ink = np.clip(cv2.GaussianBlur(ink, (0, 0), 0.8), 0, 1)
    blotches = cv2.resize(
        rng.normal(0, 1, (24, 17)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    paper: Image = 236 + 2.5 * blotches + np.linspace(-5, 4, width).astype(np.float32)
    fold = np.abs(np.arange(height, dtype=np.float32) - height * 0.345)
    paper -= (9 * np.exp(-((fold / 4) ** 2)) + 3 * np.exp(-fold / 40))[:, None]
    paper -= (95 * np.exp(-np.arange(width, dtype=np.float32) / 9))[None, ::-1]
    for y in (0.38, 0.62):
        cv2.circle(paper, (58, int(height * y)), 21, 120.0, -1, cv2.LINE_AA)
    for x, y in zip(rng.integers(0, width, 130), rng.integers(0, height, 130), strict=True):
        cv2.circle(
            paper, (int(x), int(y)), int(rng.integers(1, 3)), float(rng.uniform(130, 205)), -1, cv2.LINE_AA
        )
    out = paper * (1 - 0.86 * ink) + rng.normal(0, 3.2, paper.shape)
    return np.clip(out, 0, 255).astype(np.uint8)


def photograph(page: Image) -> Image:
    """Lay a page, slightly curled, on a wooden desk and photograph it from an angle in uneven light."""
    rng = np.random.default_rng(sheets.SEED + 2)
    width, height = 1500, 2000
    ph, pw = page.shape
    xs, ys = np.meshgrid(np.arange(pw, dtype=np.float32), np.arange(ph, dtype=np.float32))
    curl = ys + 9 * np.sin(np.pi * xs / pw) * (1 - ys / ph)
    page = cv2.remap(page, xs, curl, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    source = np.array([(0, 0), (pw, 0), (pw, ph), (0, ph)], np.float32)
    target = np.array([(200, 225), (1268, 160), (1368, 1742), (92, 1800)], np.float32)
    warp = cv2.getPerspectiveTransform(source, target)
    flat = cv2.warpPerspective(page, warp, (width, height), flags=cv2.INTER_AREA).astype(np.float32) / 255
    mask = cv2.warpPerspective(np.full_like(page, 255), warp, (width, height)).astype(np.float32) / 255

    grain: Image = cv2.GaussianBlur(
        rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), sigmaX=60, sigmaY=1.6
    )
    grain += 0.5 * cv2.GaussianBlur(
        rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), sigmaX=90, sigmaY=9
    )
    grain = grain / grain.std()
    for seam in (430, 1010, 1590):
        grain[seam : seam + 5] -= 3.5
    desk = np.array((52, 84, 122), np.float32) * (1 + 0.09 * grain)[..., None]
    shade = cv2.GaussianBlur(np.roll(mask, (16, 20), (0, 1)), (0, 0), 16)
    desk *= (1 - 0.6 * shade)[..., None]
    sheet = np.array((224, 238, 243), np.float32) * (0.13 + 0.87 * flat)[..., None]
    image = desk * (1 - mask[..., None]) + sheet * mask[..., None]

    gx, gy = np.meshgrid(
        np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)
    )
    light = 0.62 + 0.44 * np.exp(-(((gx - 0.28) / 0.75) ** 2 + ((gy - 0.22) / 0.8) ** 2))
    arm = 1 / (1 + np.exp(-(gx * 0.9 + gy * 0.75 - 1.27) / 0.035))
    image *= (light * (1 - 0.2 * arm))[..., None]
    image = cv2.GaussianBlur(image, (0, 0), 0.7) + rng.normal(0, 2.2, image.shape)
    photo: Image = np.clip(image, 0, 255).astype(np.uint8)
    return photo


@lru_cache(maxsize=64)
def lettering(text: str, size: float) -> Image:
    """Draw bold text as a mask from 0 to 1, with room round it."""
    width = pymupdf.get_text_length(text, sheets.SANS_BOLD, size)
    doc = sheets.new_document()
    page: Any = doc.new_page(width=width + size * 0.6, height=size * 1.15)
    page.insert_text((size * 0.3, size * 0.93), text, fontname=sheets.SANS_BOLD, fontsize=size)
    mask: Image = 1 - raster(doc, 72).astype(np.float32) / 255
    return mask


def plate(frame: Image, text: str, size: float, x: int, y: int, ink: Color, back: Color) -> None:
    """Burn text into the frame on a plate; a negative x counts from the right edge."""
    mask = lettering(text, size)[..., None]
    height, width = mask.shape[:2]
    left = x if x >= 0 else frame.shape[1] + x - width
    frame[y : y + height, left : left + width] = np.array(back) * (1 - mask) + np.array(ink) * mask


def box(frame: Image, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
    """Fill a rectangle."""
    cv2.rectangle(frame, (round(x0), round(y0)), (round(x1), round(y1)), color, -1)


def wheel(frame: Image, x: float, y: float, r: int) -> None:
    """Draw a wheel."""
    cv2.circle(frame, (round(x), round(y)), r, (24, 24, 26), -1, cv2.LINE_AA)
    cv2.circle(frame, (round(x), round(y)), r // 2, (130, 130, 134), -1, cv2.LINE_AA)


def dock(t: float) -> Image:
    """Camera 2: three dock doors seen from inside; the right one rolls up when gate 4 opens."""
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = np.linspace((126, 132, 138), (150, 156, 160), HEIGHT)[:, None]
    frame[500:] = np.linspace((92, 98, 104), (120, 126, 132), HEIGHT - 500)[:, None]
    for n, x in enumerate((90, 500, 910)):
        opened = float(np.clip((t - BANNER_FROM_S) / 1.5, 0, 1)) if n == 2 else 0.0
        box(frame, x - 14, 146, x + 294, 500, (60, 64, 66))
        box(frame, x, 160, x + 280, 500, (214, 190, 150))
        box(frame, x + 40, 250, x + 240, 500, (200, 204, 206))
        box(frame, x + 52, 262, x + 228, 490, (66, 60, 56))
        edge = 500 - 330 * opened
        box(frame, x, 160, x + 280, edge, (150, 118, 84))
        for slat in np.arange(edge, 160, -34):
            cv2.line(frame, (x, round(slat)), (x + 280, round(slat)), (112, 84, 58), 3)
        lamp = (70, 200, 80) if opened else (50, 50, 210)
        cv2.circle(frame, (x + 318, 210), 15, lamp, -1, cv2.LINE_AA)
        for k in range(8):
            box(frame, x - 14 + k * 39, 500, x + 5 + k * 39, 514, (40, 190, 230))
    forklift(frame, 40 + 62 * t, 640, (40, 140, 235))
    return frame


def forklift(frame: Image, x: float, y: float, color: Color) -> None:
    """Draw a forklift with a crate, standing on y."""
    box(frame, x, y - 92, x + 120, y - 18, color)
    cv2.line(frame, (round(x + 22), round(y - 92)), (round(x + 34), round(y - 168)), (40, 40, 44), 7)
    cv2.line(frame, (round(x + 104), round(y - 92)), (round(x + 96), round(y - 168)), (40, 40, 44), 7)
    box(frame, x + 26, y - 176, x + 108, y - 166, (40, 40, 44))
    box(frame, x + 128, y - 190, x + 138, y - 8, (52, 52, 56))
    box(frame, x + 138, y - 14, x + 226, y - 6, (52, 52, 56))
    box(frame, x + 146, y - 98, x + 220, y - 15, (92, 142, 186))
    box(frame, x + 146, y - 62, x + 220, y - 52, (66, 108, 148))
    wheel(frame, x + 26, y - 16, 24)
    wheel(frame, x + 100, y - 16, 24)


def yard(t: float) -> Image:
    """Camera 5: the yard at dawn, with a lorry driving off to the right."""
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = np.linspace((120, 84, 58), (150, 164, 214), HEIGHT)[:, None]
    box(frame, 0, 250, 520, 470, (86, 74, 70))
    box(frame, 0, 238, 536, 256, (62, 54, 52))
    for x in range(30, 500, 120):
        box(frame, x, 300, x + 70, 352, (150, 214, 240))
    frame[470:] = np.linspace((64, 62, 64), (92, 90, 92), HEIGHT - 470)[:, None]
    for x in range(-40, WIDTH, 180):
        box(frame, x, 612, x + 100, 620, (190, 200, 204))
    lorry = 90 + 58 * (t - CUT_S)
    box(frame, lorry, 276, lorry + 420, 500, (206, 208, 204))
    box(frame, lorry, 446, lorry + 420, 462, (60, 60, 190))
    box(frame, lorry + 432, 340, lorry + 548, 516, (150, 66, 40))
    box(frame, lorry + 482, 358, lorry + 536, 420, (220, 206, 180))
    box(frame, lorry, 500, lorry + 548, 522, (44, 44, 46))
    for offset in (70, 150, 480):
        wheel(frame, lorry + offset, 530, 34)
    return frame


def overlays(index: int) -> list[str]:
    """Say what is burnt into a frame: camera name, clock and, for five seconds, the banner."""
    second = index // FPS
    texts = [CAMERAS[second >= CUT_S], f"07:14:{5 + second:02d}"]
    return texts + [BANNER] * (BANNER_FROM_S <= second < BANNER_TO_S)


def film(path: Path) -> None:
    """Encode the camera clip."""
    rng = np.random.default_rng(sheets.SEED + 3)
    dy = dx = 0
    noise = rng.normal(0, 1.5, (HEIGHT + 64, WIDTH + 64, 1)).astype(np.float32)
    options = {"crf": "27", "preset": "slow", "threads": "1"}
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 3 * FPS
        for index in range(SECONDS * FPS):
            t = index / FPS
            scene = cv2.GaussianBlur(dock(t) if t < CUT_S else yard(t), (0, 0), 0.8)
            if index % (3 * FPS) == 0:
                dy, dx = (int(shift) for shift in rng.integers(0, 64, 2))
            frame = np.clip(scene + noise[dy : dy + HEIGHT, dx : dx + WIDTH], 0, 255).astype(np.uint8)
            name, clock, *banner = overlays(index)
            plate(frame, name, 58, 28, 24, (255, 255, 255), (30, 30, 30))
            plate(frame, clock, 58, -28, 24, (255, 255, 255), (30, 30, 30))
            for text in banner:
                plate(frame, text, 92, 303, 586, (20, 20, 20), (60, 220, 250))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())


def film_truth() -> list[dict[str, Any]]:
    """List each burnt-in text with its first second and the second it is gone."""
    spans: dict[str, dict[str, Any]] = {}
    for index in range(SECONDS * FPS):
        for text in overlays(index):
            span = spans.setdefault(text, {"text": text, "first_s": index / FPS})
            span["last_s"] = (index + 1) / FPS
    return list(spans.values())


def main() -> None:
    """Write the corpus and, if asked, its true text."""
    parser = argparse.ArgumentParser(description="Draw the demo corpus.")
    parser.add_argument("outdir", type=Path, help="folder for the corpus")
    parser.add_argument("--truth", type=Path, help="folder for the true text")
    args = parser.parse_args()
    args.outdir.mkdir(parents=True, exist_ok=True)

    contract, contract_text = sheets.contract()
    letter, letter_text = sheets.letter()
    note, note_text = sheets.note()
    save_pdf(contract, args.outdir / "supply-agreement.pdf", "Supply agreement SA-2025-0417")
    scanned = sheets.new_document()
    page: Any = scanned.new_page(width=595, height=842)
    page.insert_image(page.rect, stream=jpeg(scan(raster(letter, 200)), 68), keep_proportion=False)
    save_pdf(scanned, args.outdir / "scanned-letter.pdf", "Scan")
    (args.outdir / "photographed-receipt.jpg").write_bytes(jpeg(photograph(raster(note, 260)), 84))
    film(args.outdir / "dock-camera.mp4")

    if args.truth:
        args.truth.mkdir(parents=True, exist_ok=True)
        truths = {
            "supply-agreement": contract_text,
            "scanned-letter": letter_text,
            "photographed-receipt": note_text,
        }
        for name, text in truths.items():
            (args.truth / f"{name}.txt").write_text(text, "utf-8")
        lines = ",\n".join("  " + json.dumps(entry) for entry in film_truth())
        (args.truth / "dock-camera.json").write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main()
