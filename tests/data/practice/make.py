"""Make the held-out documents: eight invented office papers, four of them digital PDFs, four scanned.

Run ``python make.py [folder]`` (default: the folder of this script); every run writes the same documents.
The questions stand in ``questions.yaml`` and ``unanswerable.yaml``.  All names and numbers are made up.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from PIL import Image

DPI, A4, LETTER = 200, (595.0, 842.0), (612.0, 792.0)
FACES = {name: pymupdf.Font(name) for name in ("helv", "hebo", "tiro", "tibo", "tiit", "cour", "cobo")}


def grid(words: str) -> list[list[str]]:
    """Split ``a|b; c|d`` into rows of cells."""
    return [[cell.strip() for cell in row.split("|")] for row in words.split(";")]


class Sheet:
    """One page to draw on; positions are in points from the top left, ``y`` is a text's base line."""

    def __init__(self, doc: pymupdf.Document, size: tuple[float, float] = A4, face: str = "helv") -> None:
        """Add a page of this size to ``doc``, with its usual type face."""
        self.page = doc.new_page(width=size[0], height=size[1])
        self.face = face
        self._loaded: set[str] = set()

    def text(self, x: float, y: float, words: str, size: float = 9.5, face: str = "", align: str = "l",
             grey: float = 0.0) -> None:
        """Write ``words`` with their left edge, middle or right edge at ``x`` (align l, c or r)."""
        face = face or self.face
        if face not in self._loaded:
            self.page.insert_font(fontname=f"F{face}", fontbuffer=FACES[face].buffer)
            self._loaded.add(face)
        width = FACES[face].text_length(words, size)
        x -= {"l": 0.0, "c": width / 2, "r": width}[align]
        self.page.insert_text((x, y), words, fontsize=size, fontname=f"F{face}", color=(grey, grey, grey))

    def lines(self, x: float, y: float, words: str, step: float = 13.0, size: float = 9.5,
              grey: float = 0.0) -> None:
        """Write lines of text, which ``|`` parts, one below the other."""
        for i, row in enumerate(words.split("|")):
            self.text(x, y + i * step, row, size, grey=grey)

    def pairs(self, x: float, y: float, words: str, gap: float, step: float = 15.0, size: float = 9.5,
              keys: str = "", align: str = "l", face: str = "") -> None:
        """Write the grid's keys at ``x`` and their values ``gap`` points to the right of it."""
        for i, (key, value) in enumerate(grid(words)):
            self.text(x, y + i * step, key, size, keys or face)
            self.text(x + gap, y + i * step, value, size, face, align)

    def rule(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.6) -> None:
        """Draw a straight line."""
        self.page.draw_line((x0, y0), (x1, y1), width=width)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: float | None = None,
            width: float = 0.6) -> None:
        """Draw a frame, filled with a grey where ``fill`` is given."""
        shade = None if fill is None else (fill, fill, fill)
        self.page.draw_rect(pymupdf.Rect(x0, y0, x1, y1), color=(0, 0, 0), fill=shade, width=width)

    def cell(self, x: float, y: float, wide: float, high: float, key: str, values: str, size: float = 10.5,
             fill: float | None = None) -> None:
        """Draw a form's box with a small key at the top and its value lines below."""
        self.box(x, y, x + wide, y + high, fill)
        self.text(x + 4, y + 11.5, key, 7.5, grey=0.25)
        self.lines(x + 6, y + 15.5 + size, values, size + 3, size)

    def cells(self, x: float, y: float, wide: float, high: float, words: str, columns: int) -> None:
        """Draw the grid's keys and values as boxes of one size, row by row."""
        for i, (key, value) in enumerate(grid(words)):
            self.cell(x + i % columns * wide, y + i // columns * high, wide, high, key, value, 11)

    def table(self, x: float, y: float, widths: Sequence[float], words: str, aligns: str, step: float = 18.0,
              size: float = 9.0, bold: str = "hebo", ruled: bool = True, fill: float | None = 0.9) -> float:
        """Draw the grid as a table whose first row is its head; return where its lower edge stands."""
        rows = grid(words)
        edges = [x + sum(widths[:i]) for i in range(len(widths) + 1)]
        if fill is not None:
            self.page.draw_rect(pymupdf.Rect(x, y, edges[-1], y + step), color=None, fill=(fill, fill, fill))
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                at = {"l": edges[c] + 4, "r": edges[c + 1] - 4, "c": (edges[c] + edges[c + 1]) / 2}[aligns[c]]
                self.text(at, y + (r + 0.68) * step, value, size, bold if r == 0 else "", aligns[c])
        for r in range(len(rows) + 1):
            if ruled or r in (0, 1, len(rows)):
                self.rule(x, y + r * step, edges[-1], y + r * step)
        for edge in edges if ruled else ():
            self.rule(edge, y, edge, y + step * len(rows))
        return y + step * len(rows)


def invoice(doc: pymupdf.Document) -> None:
    """Draw an invoice: address left, references right, ruled table, totals at the right."""
    s = Sheet(doc)
    s.text(50, 70, "Brackenholt Joinery Ltd", 18, "hebo")
    s.lines(50, 86, "4 Sawpit Lane, Netherwick NW0 0ZZ|Tel. 01632 960417 · office@brackenholt.example|"
            "VAT registration GB 000 4172 00", 12, 8.5, 0.3)
    s.text(545, 70, "TAX INVOICE", 16, align="r")
    s.lines(50, 160, "Invoice to|Maple Quay Dental Practice|Unit 2, The Old Ropeworks|Harbour Street|"
            "Port Ellory PE0 3XX")
    s.pairs(335, 160, "Invoice number|BJ-20417; Invoice date|14 January 2026; Date of supply|9 January 2026; "
            "Payment due|13 February 2026; Your order|MQ/7731 of 2 December 2025; Account|30-558",
            85, 14, 9, "hebo")
    y = s.table(50, 265, (235, 55, 75, 50, 80), "Description|Qty|Unit price|VAT %|Amount;"
                "Oak window board, 2.4 m, oiled|6|48.50|20|291.00;"
                "Door lining set, softwood, primed|4|63.75|20|255.00;"
                "Fitting on site, joiners (hours)|11.5|42.00|20|483.00; Carriage|1|35.00|20|35.00", "lrrrr")
    s.pairs(350, y + 22, "Net total|£1,064.00; VAT at 20%|£212.80; Invoice total|£1,276.80; "
            "Less deposit received|-£300.00", 191, 16, align="r")
    s.rule(345, y + 78, 545, y + 78)
    s.pairs(350, y + 94, "Balance due|£976.80", 191, 0, 11, align="r", face="hebo")
    s.lines(50, 620, "Please pay by bank transfer and quote the invoice number.|"
            "Sort code 00-00-00   Account no. 00417731   Brackenholt Joinery Ltd|"
            "Goods remain our property until paid in full.", 14, 8.5)


def purchase_order(doc: pymupdf.Document) -> None:
    """Draw a typed purchase order on letter paper, with an order form's blank field."""
    s = Sheet(doc, LETTER, "cour")
    s.text(306, 68, "HALVORSEN PIER STEELWORKS INC.", 14, "cobo", "c")
    s.text(306, 110, "PURCHASE ORDER", 16, "cobo", "c")
    s.rule(45, 120, 567, 120, 1.2)
    s.pairs(48, 142, "PO Number:|4500-81926; Order date:|Mar 9, 2026; Requested delivery:|Mar 27, 2026; "
            "Tax exempt no.:|", 122, 16, 10)
    s.pairs(325, 142, "Vendor no.:|20733; Payment terms:|Net 45; Ship via:|Common carrier; "
            "Quote valid to:|Apr 15, 2026", 105, 16, 10)
    s.cell(45, 215, 255, 75, "VENDOR", "Quillmark Fasteners LLC|77 Tannery Row|Oak Sound")
    s.cell(312, 215, 255, 75, "SHIP TO", "Halvorsen Pier Steelworks|Receiving dock 4|Fennimore Bay")
    y = s.table(45, 310, (38, 66, 200, 42, 38, 66, 72), "Line|Item|Description|Qty|UoM|Price|Extended;"
                "1|HX-1102|Hex bolt M12 x 60, zinc|400|EA|0.62|248.00;"
                "2|PL-0340|Base plate 200 x 200 x 10|36|EA|18.90|680.40;"
                "3|AN-0077|Anchor resin 300 ml|24|EA|14.25|342.00", "cllrcrr", 22, 9.5, "cobo", False, None)
    s.pairs(400, y + 30, "Subtotal|$1,270.40; Freight|$86.00; Tax 7.25%|$92.10", 163, 18, 10, align="r")
    s.rule(398, y + 76, 567, y + 76)
    s.pairs(400, y + 92, "ORDER TOTAL|$1,448.50", 163, 0, 10, align="r", face="cobo")
    s.lines(48, 560, "Confirm this order within 3 working days. Show the PO number on all|"
            "packages, packing lists and invoices. Partial shipments only by consent.", 14, 9)


LEASE_CSS = """* {font-family: serif; font-size: 10.5pt; line-height: 1.45; text-align: justify}
p {margin: 0 0 8pt 0}"""
LEASE_1 = """<p><b>1. Definitions</b></p><p>In this lease the following words have these meanings:</p>
<p><b>“Break Date”</b> means 31 March 2029, subject to notice under clause 9.</p>
<p><b>“Commencement Date”</b> means 1 April 2026.</p>
<p><b>“Deposit”</b> means the sum of €12,800.00, to be held by the Landlord under clause 5.</p>
<p><b>“Expiry Date”</b> means 31 March 2031.</p>
<p><b>“Permitted Use”</b> means use as offices and for no other purpose without written consent.</p>
<p><b>“Premises”</b> means the second floor of Larkhill House, Weir Road, with a net internal area of 214
square metres, together with 3 car spaces, as shown edged on the plan annexed to this lease.</p>
<p><b>“Principal Rent”</b> means €38,400.00 per annum, exclusive of VAT, as stepped in the Schedule.</p>
<p><b>“Service Charge”</b> means a fair and reasonable proportion, as determined by the surveyor of the
Landlord, of the cost of cleaning, lighting and maintaining the common parts of the building.</p>
<p><b>2. Rent</b></p><p>The Tenant shall pay the Principal Rent by equal quarterly instalments in advance on
the usual quarter days, and the Service Charge within twenty-one days of a written demand.</p>"""
LEASE_2 = """<p><b>5. Deposit</b></p><p>The Landlord shall keep the Deposit in a separate account and may draw
on it for arrears. If the Landlord draws on the Deposit, the Tenant shall make good the shortfall within ten
working days, failing which a charge of €150.00 falls due.</p><p><b>6. Insurance</b></p><p>The Tenant shall
keep public liability cover of not less than €6,500,000.00 for any one event.</p><p><b>9. Break</b></p><p>The
Tenant may end this lease on the Break Date by written notice of at least six months, received no later than
30 September 2028, provided that no rent is in arrears.</p><p><b>Schedule: steps of the rent</b></p>"""


def lease(doc: pymupdf.Document) -> None:
    """Draw two pages of a lease: prose with defined terms, and a schedule at its end."""
    s = Sheet(doc, face="tiro")
    s.text(297, 80, "LEASE OF OFFICE PREMISES (extract)", 15, "tibo", "c")
    s.text(297, 108, "between Larkhill Holdings DAC (the Landlord) and Quarrendale Software Ltd (the Tenant)",
           10.5, align="c")
    s.page.insert_htmlbox(pymupdf.Rect(75, 140, 520, 790), LEASE_1, css=LEASE_CSS)
    s = Sheet(doc, face="tiro")
    s.page.insert_htmlbox(pymupdf.Rect(75, 70, 520, 450), LEASE_2, css=LEASE_CSS)
    s.table(75, 275, (160, 140, 145), "Year of the term|Rent per annum|Quarterly instalment;"
            "1 and 2|€38,400.00|€9,600.00; 3|€39,900.00|€9,975.00; 4 and 5|€41,400.00|€10,350.00", "lrr",
            bold="tibo", fill=None)
    s.text(75, 381, "Signed on behalf of the parties on 18 February 2026.", 10.5)


def utility_bill(doc: pymupdf.Document) -> None:
    """Draw a German electricity bill: boxes with the key above the value, a meter table, a sum block."""
    s = Sheet(doc)
    s.box(45, 40, 550, 78, 0.88, 0.0)
    s.text(58, 65, "Stadtwerke Auental", 17, "hebo")
    s.lines(50, 120, "Bäckerei Kornblum GmbH|Mühlgasse 7|00417 Auental", 14, 10.5)
    s.text(50, 200, "Jahresrechnung Strom 2025", 15, "hebo")
    s.cells(50, 215, 124, 36, "Kundennummer|880 214; Rechnungsnummer|R-2026-10573; "
            "Rechnungsdatum|03.02.2026; Zählernummer|4471-8826", 4)
    s.cells(50, 251, 248, 36, "Abrechnungszeitraum|01.01.2025 bis 31.12.2025; "
            "Verbrauchsstelle|Mühlgasse 7, Backstube", 2)
    y = s.table(50, 308, (130, 122, 122, 122), "Zählwerk|Stand alt|Stand neu|Verbrauch (kWh);"
                "Eintarif, abgelesen|18.412|21.569|3.157", "lrrr", 20, 9.5)
    s.text(50, y + 16, "Im Vorjahr haben Sie 3.402 kWh bezogen.", 8.5)
    s.table(50, 385, (190, 92, 112, 102), "Position|Menge|Preis|Betrag EUR;"
            "Arbeitspreis|3.157 kWh|31,20 ct/kWh|984,98; Grundpreis|12 Monate|11,50 EUR|138,00", "lrrr", 20)
    s.pairs(290, 470, "Nettobetrag|1.122,98 EUR; Umsatzsteuer 19 %|213,37 EUR; Rechnungsbetrag brutto|"
            "1.336,35 EUR; abzüglich gezahlte Abschläge|1.265,00 EUR", 252, 17, 10, align="r")
    s.box(284, 530, 546, 552, 0.92)
    s.pairs(290, 545, "Nachzahlung|71,35 EUR", 252, 0, 11, align="r", face="hebo")
    s.cells(50, 470, 190, 42, "Zahlbar bis zum|24. Februar 2026; "
            "Neuer Abschlag ab 01.03.2026|121,00 EUR monatlich", 1)
    s.lines(50, 600, "Bitte überweisen Sie den offenen Betrag unter Angabe der Rechnungsnummer. Fragen|"
            "beantwortet unser Kundendienst montags bis freitags von 8 bis 17 Uhr.", 14)


def lab_report(doc: pymupdf.Document) -> None:
    """Draw a laboratory's report: references and dates on top, a wide table of results with limits."""
    s = Sheet(doc, (842.0, 595.0))
    s.text(45, 55, "Silverbeck Water Laboratory", 15, "hebo")
    s.text(797, 55, "TEST REPORT", 15, "hebo", "r")
    s.rule(45, 64, 797, 64, 1.5)
    s.pairs(45, 88, "Report no.|LR-26-00358; Client|Thistledown Caravan Park; "
            "Sample|Drinking water, kitchen tap, first draw; Laboratory no.|W 1194/1", 95)
    s.pairs(480, 88, "Sampled on|2026-01-19; Sample received|2026-01-20; "
            "Analysis period|2026-01-21 to 2026-01-26; Report issued|2026-01-27", 110)
    s.table(45, 165, (210, 150, 90, 110, 110, 82), "Parameter|Method|Unit|Result|Limit value|Verdict;"
            "pH at 25 °C|SWL-07 electrode|-|7.4|6.5 to 9.5|pass;"
            "Electrical conductivity|SWL-08 electrode|µS/cm|512|2500|pass;"
            "Nitrate (as NO3)|SWL-21 IC|mg/L|18.6|50|pass; Nitrite (as NO2)|SWL-21 IC|mg/L|0.02|0.50|pass;"
            "Chloride|SWL-21 IC|mg/L||250|; Iron, total|SWL-33 ICP|mg/L|0.047|0.200|pass;"
            "Lead|SWL-33 ICP|µg/L|1.3|10|pass; E. coli|SWL-50 plate|CFU/100 mL|0|0|pass", "lllrrc", 22, 9.5)
    s.text(45, 395, "An empty field means that the parameter was not part of this order.", 8.5, grey=0.3)


def customs(doc: pymupdf.Document) -> None:
    """Draw a customs form: numbered boxes, each with its key in small print at the top."""
    s = Sheet(doc)
    s.text(50, 62, "CUSTOMS DECLARATION", 16, "hebo")
    s.text(545, 62, "Copy for the exporter", 9, align="r")
    x, half, third = 50.0, 247.5, 165.0
    s.cell(x, 75, half, 72, "1  Exporter", "Feinwerk Morgental AG|Spulenweg 12|Morgental")
    s.cell(x, 147, half, 72, "4  Consignee", "Northmere Climate Systems|Plot 9, Gantry Estate|Northmere")
    s.cells(x + half, 75, half, 36, "2  Declaration number|EX-26-0093317; 3  Date of acceptance|"
            "12 March 2026; 5  Commercial invoice no. and date|70418 of 5 March 2026; "
            "6  Terms of delivery|CIF Northmere", 1)
    s.cells(x, 219, third, 40, "7  Packages|14 cartons; 8  Gross mass (kg)|412.5; 9  Net mass (kg)|376.0; "
            "10  Commodity code|8414.5925; 11  Origin|Domestic; 12  Mode of transport|Road; "
            "13  Invoice value|CHF 18'640.00; 14  Freight|CHF 1'120.00; 15  Insurance|CHF 145.00; "
            "16  Statistical value|CHF 19'905.00; 17  Duty payable|; 18  Licence|Not required", 3)
    s.cell(x, 379, 3 * third, 90, "19  Description of goods", "Axial fans, 24 V, in cartons FM 1 to FM 14.")
    s.cell(x, 469, half, 90, "20  Declarant's signature, place and date", "Morgental, 11 March 2026")
    s.cell(x + half, 469, half, 90, "21  For official use", "", fill=0.95)
    s.page.draw_circle((x + 1.5 * half, 518), 26, width=1.2)
    s.lines(x + 1.5 * half - 16, 516, "CUSTOMS|POST 4", 9, 6.5)


def payslip(doc: pymupdf.Document) -> None:
    """Draw a German payslip in a fixed-width face: master data on top, pay and deductions, sums below."""
    s = Sheet(doc, face="cour")
    s.text(45, 60, "Entgeltabrechnung Januar 2026", 15, "cobo")
    s.text(45, 78, "Druckerei Falkenstieg KG, Quellstetten", 9)
    s.box(45, 92, 550, 170)
    s.pairs(52, 110, "Personalnummer|00482; Eintrittsdatum|15.09.2019; Steuerklasse|1; Kinderfreibetrag|0,0",
            115, 16)
    s.pairs(310, 110, "Abrechnungsmonat|01/2026; Erstellt am|28.01.2026; Arbeitstage|21; Wochenstunden|38,5",
            120, 16)
    y = s.table(45, 190, (60, 215, 70, 70, 90), "Lohnart|Bezeichnung|Menge|Satz|Betrag EUR;"
                "100|Grundgehalt|||3.480,00; 140|Überstunden|6,50|24,00|156,00; 310|Fahrgeldzuschuss|||58,00",
                "llrrr", 18, 9.5, "cobo", False)
    s.pairs(109, y + 18, "Gesamtbrutto|3.694,00", 437, align="r", face="cobo")
    y = s.table(45, 310, (60, 355, 90), "Abzug|Bezeichnung|Betrag EUR; 501|Lohnsteuer|451,58;"
                "510|Krankenversicherung|304,76; 511|Pflegeversicherung|84,96; 512|Rentenversicherung|343,54;"
                "513|Arbeitslosenversicherung|48,02", "llr", 18, 9.5, "cobo", False)
    s.pairs(109, y + 18, "Summe der Abzüge|1.232,86; Nettoverdienst|2.461,14; "
            "Vermögenswirksame Leistungen|-40,00", 437, 16, align="r")
    s.box(45, y + 62, 550, y + 86, 0.92)
    s.pairs(109, y + 78, "Auszahlungsbetrag|2.421,14 €", 437, 0, 11, align="r", face="cobo")
    s.text(45, y + 115, "Überweisung zum 30. Januar 2026 auf das hinterlegte Konto.", 9)


def certificate(doc: pymupdf.Document) -> None:
    """Draw an insurance certificate in a double frame, keys left and values right."""
    s = Sheet(doc, face="tiro")
    s.box(32, 32, 563, 810, width=2.2)
    s.box(38, 38, 557, 804)
    s.text(297, 95, "Certificate of Insurance", 24, "tibo", "c")
    s.text(297, 120, "Gannet Rock Mutual", 13, "tiit", "c")
    s.lines(75, 160, "This is to certify that the policy named below is in force at the date of this "
            "certificate,|subject to its terms and exclusions.", 15, 11)
    s.pairs(75, 215, "Insured|Sandpiper Scaffolding Pty; Policy number|GRM-604-2287; "
            "Class of business|Contractors’ liability; Period from|1 March 2026; Period to|28 February 2027; "
            "Limit of indemnity|AUD 5,000,000.00; Excess, each claim|AUD 2,500.00; "
            "Annual premium|AUD 7,318.40", 190, 24, 11.5, "tibo")
    s.rule(75, 405, 520, 405)
    s.text(75, 430, "Extensions", 13, "tibo")
    s.pairs(75, 456, "Hired-in plant insured:|Yes; Work above 20 metres insured:|No; "
            "Offshore work insured:|No; Waiver of subrogation:|Yes", 220, 22, 11.5)
    s.text(75, 580, "This certificate is issued for information only and confers no rights.", 10.5)
    s.text(75, 660, "Issued on 16 February 2026 at Gannet Rock", 11.5)


def scan(page: pymupdf.Page, seed: int, angle: float) -> Image.Image:
    """Return the page as a flat-bed scanner would: a little turned, soft and noisy, in 16 greys."""
    rng = np.random.default_rng(seed)
    pix = page.get_pixmap(dpi=DPI, colorspace=pymupdf.csGRAY, alpha=False)
    grey = np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.stride)[:, : pix.width]
    turn = cv2.getRotationMatrix2D((pix.width / 2, pix.height / 2), angle, 1.0)
    turned = cv2.warpAffine(grey, turn, (pix.width, pix.height), flags=cv2.INTER_LINEAR, borderValue=255)
    soft = cv2.GaussianBlur(turned, (0, 0), 0.8).astype(np.float32)
    soft = 28 + soft * (214 / 255) + 5 * rng.standard_normal(soft.shape, np.float32)
    for _ in range(60):
        y, x = int(rng.integers(3, pix.height - 3)), int(rng.integers(3, pix.width - 3))
        soft[y : y + int(rng.integers(1, 4)), x : x + int(rng.integers(1, 4))] -= rng.integers(40, 130)
    flat = np.clip((soft - 20) * (255 / 205), 0, 255)
    return Image.fromarray((np.round(flat / 17) * 17).astype(np.uint8))


def write(draw: Callable[[pymupdf.Document], None], path: Path, seed: int = 0, angle: float = 0.0) -> None:
    """Draw a document and store it: digital, or (where a seed is given) scanned, as PDF or one-page PNG."""
    doc = pymupdf.open()
    draw(doc)
    doc.subset_fonts()
    images = [scan(page, seed + i, angle) for i, page in enumerate(doc)] if seed else []
    if path.suffix == ".png":
        images[0].save(path, dpi=(DPI, DPI), optimize=True)
        return
    if images:
        doc = pymupdf.open()
    for image in images:
        store = io.BytesIO()
        image.save(store, "JPEG", quality=58, dpi=(DPI, DPI))
        sheet = doc.new_page(width=image.width * 72 / DPI, height=image.height * 72 / DPI)
        sheet.insert_image(sheet.rect, stream=store.getvalue())
    doc.save(path, garbage=4, deflate=True, no_new_id=True)


def main() -> None:
    """Write all documents into the folder named on the command line."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    write(invoice, out / "invoice.pdf")
    write(purchase_order, out / "purchase_order.pdf", seed=4101, angle=0.6)
    write(lease, out / "lease.pdf")
    write(utility_bill, out / "utility_bill.png", seed=4207, angle=-0.5)
    write(lab_report, out / "lab_report.pdf")
    write(customs, out / "customs_declaration.pdf", seed=4303, angle=-0.8)
    write(payslip, out / "payslip.pdf")
    write(certificate, out / "insurance_certificate.png", seed=4404, angle=0.7)


if __name__ == "__main__":
    main()
