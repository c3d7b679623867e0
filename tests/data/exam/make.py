"""Make the eight documents of the exam set, beside this file: four digital PDFs, four scans.

Every person, company, number and amount is invented. Run `python make.py`; it needs pymupdf, numpy
and opencv. The same seed gives the same pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pymupdf

HERE = Path(__file__).resolve().parent
SEED = 20260217
A4 = (595.0, 842.0)
BLACK = (0.0, 0.0, 0.0)
GREY = (0.45, 0.45, 0.45)


class Sheet:
    """A document being drawn, with one typeface (a base-14 pair) throughout."""

    def __init__(self, plain: str = "helv", bold: str = "hebo", size: float = 10.5) -> None:
        self.doc = pymupdf.open()
        self.plain, self.bold, self.size = plain, bold, size
        self.page: pymupdf.Page
        self.new_page()

    def new_page(self) -> None:
        """Start the next page."""
        self.page = self.doc.new_page(width=A4[0], height=A4[1])

    def text(self, x: float, y: float, words: str, *, bold: bool = False, size: float = 0.0,
             align: str = "l", color: tuple[float, float, float] = BLACK) -> None:
        """Write one line at baseline `y`; `x` is its left end, right end ("r") or middle ("c")."""
        font, points = (self.bold if bold else self.plain), size or self.size
        width = pymupdf.get_text_length(words, fontname=font, fontsize=points)
        left = x - {"l": 0.0, "r": width, "c": width / 2}[align]
        self.page.insert_text((left, y), words, fontname=font, fontsize=points, color=color)

    def lines(self, x: float, y: float, rows: Sequence[str], step: float = 14.0, size: float = 0.0) -> float:
        """Write rows under each other; return the baseline after the last."""
        for row in rows:
            self.text(x, y, row, size=size)
            y += step
        return y

    def pairs(self, x: float, x_value: float, y: float, rows: Sequence[tuple[str, str]], step: float = 16.0,
              align: str = "l", bold_key: bool = False) -> float:
        """Write key and value columns; return the baseline after the last."""
        for key, value in rows:
            self.text(x, y, key, bold=bold_key)
            self.text(x_value, y, value, align=align)
            y += step
        return y

    def prose(self, x: float, y: float, width: float, words: str, step: float = 14.0) -> float:
        """Write a wrapped paragraph; return the baseline after it."""
        line = ""
        for word in words.split():
            longer = f"{line} {word}".strip()
            if line and pymupdf.get_text_length(longer, fontname=self.plain, fontsize=self.size) > width:
                self.text(x, y, line)
                y, longer = y + step, word
            line = longer
        self.text(x, y, line)
        return y + step

    def rule(self, x0: float, y: float, x1: float, width: float = 0.7) -> None:
        """Draw a horizontal line."""
        self.page.draw_line((x0, y), (x1, y), color=GREY, width=width)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: float | None = None) -> None:
        """Draw a frame, on a grey ground if `fill` is given."""
        ground = None if fill is None else (fill, fill, fill)
        self.page.draw_rect((x0, y0, x1, y1), color=GREY, fill=ground, width=0.7)

    def table(self, y: float, columns: Sequence[tuple[float, str, str]], rows: Sequence[Sequence[str]],
              step: float = 18.0, grid: tuple[float, float] | None = None) -> float:
        """Write a table; a column is (x, align, heading), `grid` the ends of its rules."""
        left, right = grid or (columns[0][0], columns[-1][0])
        for x, align, heading in columns:
            self.text(x, y, heading, bold=True, align=align)
        self.rule(left, y + 5, right, 1.2)
        for row in rows:
            y += step
            for (x, align, _), cell in zip(columns, row, strict=True):
                self.text(x, y, cell, align=align)
            if grid:
                self.rule(left, y + 5, right, 0.4)
        return y + step


def quotation() -> Sheet:
    """A joiner's quotation, details at the right, totals under the table."""
    s = Sheet()
    s.text(50, 70, "Brackenfold Joinery Ltd", bold=True, size=17)
    s.lines(50, 88, ["Unit 6, Tannery Yard, Wexcombe WX4 7QD", "Telephone 01632 960 417"], size=9.5)
    s.rule(50, 112, 545, 1.5)
    s.text(50, 146, "QUOTATION", bold=True, size=20)
    s.lines(50, 176, ["Mrs H. Pellworth", "The Old Signal House", "38 Larkmere Lane", "Wexcombe WX2 3NB"])
    s.pairs(330, 448, 146, [("Quotation no.", "Q-2648-R"), ("Date of issue", "14 January 2026"),
                            ("Site visit", "9 January 2026"), ("Quotation valid until", "13 February 2026"),
                            ("Prepared by", "D. Fennimoor")], step=17)
    s.text(50, 262, "Replacement of the staircase, ground floor to first floor", bold=True, size=12)
    y = s.prose(50, 282, 495, "Thank you for your enquiry. As agreed at the site visit we are pleased to offer the "
                "following work in European oak, finished with two coats of hard-wax oil:")
    y = s.table(y + 16, [(50, "l", "Item"), (84, "l", "Description"), (350, "r", "Qty"), (380, "l", "Unit"),
                         (476, "r", "Unit price"), (545, "r", "Amount")],
                [("1", "Stair treads, oak, 32 mm", "13", "pcs", "84.50", "1,098.50"),
                 ("2", "Handrail, ash, turned", "6.4", "m", "72.00", "460.80"),
                 ("3", "Newel posts with cap", "3", "pcs", "118.00", "354.00"),
                 ("4", "Fitting by two joiners", "4", "days", "310.00", "1,240.00"),
                 ("5", "Removal and disposal of old stair", "1", "lot", "95.00", "95.00")], step=20)
    s.rule(330, y - 8, 545)
    y = s.pairs(350, 545, y + 8, [("Net total", "£3,248.30"), ("VAT at 20%", "£649.66")], align="r", step=18)
    s.text(350, y, "Total including VAT", bold=True)
    s.text(545, y, "£3,897.96", bold=True, align="r")
    s.rule(330, y + 7, 545, 1.5)
    y = s.pairs(50, 260, y + 48, [("Deposit on acceptance (30%)", "£1,169.39"),
                                  ("Balance on practical handover", "£2,728.57"),
                                  ("Earliest start on site", "2 March 2026")], step=18)
    y = s.prose(50, y + 14, 495, "Prices hold for the period stated above. Making good of plaster and decoration is "
                "not included. Please sign and return one copy to place the order.")
    s.rule(50, y + 50, 240)
    s.rule(330, y + 50, 545)
    s.text(50, y + 64, "Place, date", size=9)
    s.text(330, y + 64, "Signature of customer", size=9)
    return s


def water_bill() -> Sheet:
    """A German yearly water bill."""
    s = Sheet(size=10)
    s.box(0, 0, 595, 62, 0.9)
    s.text(56, 40, "Wasserwerke Ellerbruch", bold=True, size=18)
    s.text(545, 40, "Kundenservice 0800 5550 199", align="r", size=9.5)
    s.text(56, 104, "Wasserwerke Ellerbruch · Am Pumpwerk 3 · 29999 Ellerbruch", size=8, color=GREY)
    s.lines(56, 122, ["Hausgemeinschaft Birkenkamp", "z. Hd. Frau Liesel Oppenrieth", "Birkenkamp 17",
                      "29999 Ellerbruch"])
    s.pairs(345, 545, 104, [("Kundennummer", "640 228 75"), ("Rechnungsnummer", "JW-2025-38846"),
                            ("Rechnungsdatum", "9. Februar 2026"), ("Zählernummer", "8 774 392")], align="r")
    s.text(56, 216, "Jahresabrechnung Wasser und Abwasser 2025", bold=True, size=15)
    s.text(56, 236, "Abrechnungszeitraum: 01.01.2025 bis 31.12.2025     Verbrauchsstelle: Birkenkamp 17")
    s.text(56, 270, "Zählerstände", bold=True, size=11.5)
    y = s.table(292, [(56, "l", "Ablesung am"), (230, "r", "Stand alt"), (340, "r", "Stand neu"),
                      (450, "r", "Verbrauch"), (545, "r", "Ableseart")],
                [("31.12.2025", "1.482", "1.909", "427 m³", "Kunde")], grid=(56, 545))
    s.text(56, y + 20, "Berechnung", bold=True, size=11.5)
    y = s.table(y + 42, [(56, "l", "Position"), (300, "r", "Menge"), (420, "r", "Preis je Einheit"),
                         (545, "r", "Betrag")],
                [("Trinkwasser", "427 m³", "2,14 EUR", "913,78 EUR"),
                 ("Grundpreis Zähler Q3 = 4", "12 Monate", "9,50 EUR", "114,00 EUR"),
                 ("Nettobetrag Trinkwasser", "", "", "1.027,78 EUR"),
                 ("Umsatzsteuer 7 %", "", "", "71,94 EUR"),
                 ("Bruttobetrag Trinkwasser", "", "", "1.099,72 EUR"),
                 ("Schmutzwasser", "427 m³", "2,68 EUR", "1.144,36 EUR"),
                 ("Niederschlagswasser", "318 m²", "0,92 EUR", "292,56 EUR")], grid=(56, 545))
    s.box(56, y + 6, 545, y + 90, 0.95)
    y = s.pairs(70, 531, y + 26, [("Rechnungsbetrag gesamt", "2.536,64 EUR"),
                                  ("abzüglich geleistete Abschläge (11 x 210,00 EUR)", "2.310,00 EUR")],
                align="r")
    s.text(70, y + 4, "Nachzahlung", bold=True, size=11.5)
    s.text(531, y + 4, "226,64 EUR", bold=True, size=11.5, align="r")
    s.text(70, y + 21, "Fällig am")
    s.text(531, y + 21, "3. März 2026", align="r")
    y = s.pairs(56, 545, y + 66, [("Neuer monatlicher Abschlag", "231,00 EUR"),
                                  ("Erster neuer Abschlag zum", "1. April 2026")], align="r")
    y = s.prose(56, y + 12, 489, "Bitte überweisen Sie den offenen Betrag unter Angabe der Kundennummer. Einwände gegen "
                "diese Abrechnung richten Sie bitte innerhalb eines Monats schriftlich an uns.")
    s.rule(56, 790, 545)
    s.text(300, 804, "Wasserwerke Ellerbruch, Eigenbetrieb der Stadt · Öffnungszeiten Mo bis Do 8 bis 16 Uhr",
           size=8, align="c", color=GREY)
    return s


def contract() -> Sheet:
    """An employment agreement in prose with numbered clauses, two pages."""
    s = Sheet("tiro", "tibo", 11.5)
    s.text(297, 92, "CONTRACT OF EMPLOYMENT", bold=True, size=17, align="c")
    s.text(297, 118, "dated 23 January 2026", align="c")
    clauses = [
        ("", ["between Corrigmoyle Seed & Grain Limited, Mill Quay, Ballynevin (the \"Employer\") and Ms Orla "
              "Tavenny, 5 Heron Terrace, Ballynevin (the \"Employee\"). It replaces the letter of offer of "
              "12 December 2025."]),
        ("1. Position", ["1.1 The Employee is engaged as Quality Assurance Technician and reports to the Head of "
                         "Laboratory.", "1.2 The place of work is Ballynevin. Occasional travel to the Employer's "
                         "other premises may be required."]),
        ("2. Commencement and probation", [
            "2.1 Date of commencement: 2 March 2026.",
            "2.2 The first six months are a probationary period, which ends on 1 September 2026. During "
            "probation either party may give two weeks' notice.",
            "2.3 The employment is of indefinite duration."]),
        ("3. Remuneration", [
            "3.1 The gross annual salary is EUR 46,800.00, payable in twelve equal instalments of EUR 3,900.00 "
            "in arrears by the last working day of the month.",
            "3.2 The Employer contributes EUR 195.00 a month to the occupational pension scheme.",
            "3.3 Work clothing is reimbursed up to EUR 240.00 in each calendar year against receipts."]),
        ("4. Hours of work", ["4.1 Weekly working time: 37.5 hours, as a rule from Monday to Friday. Overtime is "
                              "compensated by time off within three months."]),
        ("5. Leave", [
            "5.1 Annual leave entitlement: 26 working days, in addition to public holidays.",
            "5.2 Up to 5 days may be carried over and must be taken by 31 March of the following year.",
            "5.3 Absence through illness must be reported before 9.30 a.m. on the first day; a certificate is "
            "due from the third day."]),
        ("6. Confidentiality", ["6.1 The Employee shall keep secret all business matters of the Employer, during "
                                "the employment and after it, and shall return all papers and samples on leaving."]),
        ("7. Termination", ["7.1 Notice period after probation: 8 weeks to the end of a calendar month, in writing.",
                            "7.2 The right to terminate for serious cause remains unaffected."]),
        ("8. Final provisions", ["8.1 Changes to this contract must be made in writing. If a provision is invalid "
                                 "the others remain in force."]),
    ]
    y = 156.0
    for number, (heading, paragraphs) in enumerate(clauses):
        if number == 6:
            s.text(297, 800, "Page 1 of 2", size=10, align="c")
            s.new_page()
            y = 90.0
        if heading:
            s.text(72, y, heading, bold=True, size=12.5)
            y += 19
        for words in paragraphs:
            y = s.prose(72, y, 451, words, step=16) + 3
        y += 9
    for x, who in ((72, "for the Employer"), (330, "the Employee")):
        s.rule(x, y + 70, x + 190)
        s.text(x, y + 86, who)
    s.text(297, 800, "Page 2 of 2", size=10, align="c")
    return s


def expense_claim() -> Sheet:
    """A travel expense claim: a form whose boxes have the label over the value."""
    s = Sheet(size=10)
    s.text(48, 66, "Travel Expense Claim", bold=True, size=19)
    s.text(547, 66, "Lindgarten Pumps AG, Basel", align="r")
    boxes = [("Claimant", "Renata Vogelsanger"), ("Department", "Service North"), ("Cost centre", "4275-SN"),
             ("Claim reference", "TEC 26/0183"), ("Start of trip", "12 January 2026"),
             ("End of trip", "14 January 2026"), ("Purpose", "Commissioning, Geneva"),
             ("Date submitted", "19 January 2026"), ("Approved on", "26 January 2026")]
    for number, (label, value) in enumerate(boxes):
        x, y = 48 + 166.3 * (number % 3), 86 + 44 * (number // 3)
        s.box(x, y, x + 166.3, y + 44)
        s.text(x + 7, y + 15, label, size=8.5, color=GREY)
        s.text(x + 7, y + 34, value, size=11)
    y = s.table(254, [(52, "l", "Date"), (130, "l", "Expense"), (370, "l", "Paid with"), (500, "r", "CHF"),
                      (543, "r", "Receipt")],
                [("12 Jan 2026", "Train Basel to Geneva, return", "Own card", "154.00", "1"),
                 ("12 Jan 2026", "Taxi to customer", "Cash", "38.50", "2"),
                 ("13 Jan 2026", "Dinner with customer, 3 persons", "Own card", "126.40", "3"),
                 ("14 Jan 2026", "Hotel, 2 nights", "Own card", "418.00", "4"),
                 ("14 Jan 2026", "Left luggage", "Cash", "24.00", "5"),
                 ("14 Jan 2026", "Daily allowance, 3 x 35.00", "", "105.00", "none")], step=21, grid=(48, 547))
    y = s.pairs(300, 500, y + 14, [("Total expenses", "CHF 865.90"), ("Less cash advance", "CHF 400.00")],
                align="r", step=19)
    s.rule(300, y - 13, 500)
    s.text(300, y + 3, "Amount to be reimbursed", bold=True)
    s.text(500, y + 3, "CHF 465.90", bold=True, align="r")
    s.box(48, y + 36, 547, y + 116)
    s.text(56, y + 54, "For accounts only", bold=True)
    s.text(56, y + 76, "Checked by:  ____________________")
    s.text(300, y + 76, "Paid on:  ____________________")
    s.text(56, y + 100, "Posting text:  ____________________")
    s.prose(48, y + 144, 499, "I confirm that the expenses above were incurred on company business. Claims have to be "
            "handed in with all receipts within 30 days after the end of the trip.")
    return s


def calibration() -> Sheet:
    """A calibration certificate, to be scanned."""
    s = Sheet(size=11.5)
    s.box(36, 36, 559, 806)
    s.text(297, 84, "Thornwick Metrology Services", bold=True, size=15, align="c")
    s.text(297, 102, "Quarry Road 22, Thornwick TH8 4LP", align="c")
    s.text(297, 152, "CALIBRATION CERTIFICATE", bold=True, size=21, align="c")
    y = s.pairs(66, 260, 196, [("Certificate number", "KW-47293"), ("Instrument", "Platform scale, electronic"),
                               ("Manufacturer", "Hallforth"), ("Serial number", "88-2364"),
                               ("Capacity", "150 kg"), ("Scale interval", "20 g"),
                               ("Customer", "Ashlode Parcel Depot, Thornwick")], step=19)
    y = s.pairs(66, 260, y + 10, [("Date received", "26 January 2026"), ("Date of calibration", "28 January 2026"),
                                  ("Date of issue", "30 January 2026"),
                                  ("Next calibration due", "28 January 2027")], step=19)
    s.text(66, y + 16, "Results", bold=True, size=13)
    y = s.table(y + 40, [(70, "l", "Test load"), (290, "r", "Indication"), (400, "r", "Error"),
                         (525, "r", "Permissible")],
                [("10 kg", "10.00 kg", "0 g", "20 g"), ("50 kg", "50.02 kg", "+20 g", "40 g"),
                 ("100 kg", "100.02 kg", "+20 g", "60 g"), ("150 kg", "149.98 kg", "-20 g", "60 g")],
                step=20, grid=(66, 529))
    y = s.pairs(66, 260, y + 12, [("Ambient temperature", "21.4 °C"), ("Relative humidity", "47 %")], step=19)
    y = s.prose(66, y + 10, 463, "The errors found lie within the permissible limits. The reference weights used are "
                "traceable to national standards. This certificate may be copied only in full.", step=16)
    s.rule(66, y + 52, 240)
    s.text(66, y + 68, "B. Quillhurst, technician")
    return s


def loan_statement() -> Sheet:
    """A yearly loan statement over two pages, to be scanned."""
    s = Sheet("helv", "hebo", 11)
    s.text(54, 76, "Pinnock Valley Credit Union", bold=True, size=16)
    s.text(54, 93, "410 Depot Street, Pinnock Falls")
    s.text(541, 76, "Annual Loan Statement", bold=True, size=14, align="r")
    s.text(541, 93, "Page 1 of 2", align="r")
    s.rule(54, 104, 541, 1.4)
    s.lines(54, 134, ["Walter Quennell", "77 Sawmill Road", "Pinnock Falls"], step=15)
    s.pairs(310, 541, 134, [("Statement date", "January 9, 2026"), ("Loan number", "5583-27794"),
                            ("Loan type", "Farm equipment")], align="r")
    y = s.pairs(54, 300, 214, [("Original loan amount", "$48,000.00"), ("Date of loan", "June 16, 2025"),
                               ("Interest rate, fixed", "6.25%"), ("Term", "60 months"),
                               ("Maturity date", "June 16, 2030")], step=17)
    balance, paid, rows = 4_800_000, 93_357, []
    total_interest = 0
    for month in ("July", "August", "September", "October", "November", "December"):
        interest = round(balance * 0.0625 / 12)
        principal = paid - interest
        balance, total_interest = balance - principal, total_interest + interest
        rows.append([f"{month} 16, 2025", *(f"{cents / 100:,.2f}" for cents in (paid, interest, principal, balance))])
    s.text(54, y + 20, "Payments received", bold=True, size=13)
    y = s.table(y + 46, [(54, "l", "Date"), (262, "r", "Payment"), (352, "r", "Interest"), (446, "r", "Principal"),
                         (541, "r", "Balance")], rows, step=21, grid=(54, 541))
    s.prose(54, y + 20, 487, "Payments are applied first to interest and then to principal. The summary of your "
            "account is shown on the next page.", step=16)
    s.new_page()
    s.text(54, 76, "Pinnock Valley Credit Union", bold=True, size=16)
    s.text(541, 76, "Loan 5583-27794, page 2 of 2", align="r")
    s.rule(54, 88, 541, 1.4)
    s.text(54, 124, "Account summary as of December 31, 2025", bold=True, size=13)
    y = s.pairs(54, 470, 152, [("Total payments received", f"${6 * paid / 100:,.2f}"),
                               ("Interest paid in 2025", f"${total_interest / 100:,.2f}"),
                               ("Principal paid in 2025", f"${48_000 - balance / 100:,.2f}"),
                               ("Closing principal balance", f"${balance / 100:,.2f}")], align="r", step=20)
    s.text(54, y + 24, "Your next payment", bold=True, size=13)
    y = s.pairs(54, 470, y + 52, [("Next payment due on", "January 16, 2026"), ("Payment amount", "$933.57"),
                                  ("Method", "Direct debit")], align="r", step=20)
    s.prose(54, y + 24, 487, "Please compare this statement with your records and tell us of any error by February 27, "
            "2026. You may repay the loan early at any time; ask us for a payoff figure at least ten days before. "
            "Keep this statement for your tax records.", step=16)
    return s


def packing_list() -> Sheet:
    """A packing list, to be scanned."""
    s = Sheet("cour", "cobo", 11)
    s.text(48, 72, "PACKING LIST", bold=True, size=22)
    s.lines(330, 62, ["Fjellvang Lighting AS", "Havnegata 46", "Solbergvik"], step=15)
    s.rule(48, 108, 547, 1.4)
    s.text(48, 134, "Consignee", bold=True)
    s.lines(48, 151, ["Marrowby Stage Hire", "Dock Street 29", "Marrowby"], step=15)
    s.pairs(290, 424, 134, [("List no.", "PL-83627"), ("Order no.", "TM-4459"), ("Order date", "2 Dec 2025"),
                            ("Date of dispatch", "21 Jan 2026"), ("Expected arrival", "29 Jan 2026")], step=17)
    y = s.table(248, [(48, "l", "Carton"), (108, "l", "Contents"), (368, "r", "Qty"), (458, "r", "Net kg"),
                      (547, "r", "Gross kg")],
                [("1-2", "Profile spotlight LS750", "8", "62.4", "68.9"),
                 ("3", "Dimmer rack, 12 channels", "1", "27.8", "31.5"),
                 ("4", "Cable loom, 25 m", "6", "33.6", "35.2"),
                 ("5-6", "Truss clamps, steel", "48", "57.6", "60.3"),
                 ("7", "Colour filters, assorted", "90", "4.5", "6.2")], step=21, grid=(48, 547))
    s.text(108, y + 2, "Total", bold=True)
    s.text(458, y + 2, "185.9", bold=True, align="r")
    s.text(547, y + 2, "202.1", bold=True, align="r")
    y = s.pairs(48, 230, y + 48, [("Total packages:", "7"), ("Pallets:", "2"), ("Volume:", "1.64 m3"),
                                  ("Declared value:", "NOK 73,460.00"), ("Freight:", "NOK 2,385.00"),
                                  ("Delivery terms:", "DAP Marrowby"), ("Fragile:", "No"), ("Insured:", "Yes")],
                step=20)
    s.prose(48, y + 18, 499, "Please check the cartons on arrival and report any damage to the carrier at once. "
            "Claims for missing items are accepted within 7 days.", step=16)
    s.rule(48, y + 110, 250)
    s.text(48, y + 126, "Packed by: T. Ravnsborg")
    return s


def membership() -> Sheet:
    """A membership renewal letter with a payment slip, to be scanned."""
    s = Sheet("tiro", "tibo", 12.5)
    s.text(60, 84, "Lake Tamarind Rowing Club", bold=True, size=20)
    s.text(60, 104, "Boathouse Lane, Tamarind Bay, Ontario")
    s.lines(60, 146, ["Mr. Cedric Holloway-Brandt", "64 Juniper Crescent", "Tamarind Bay"], step=16)
    s.text(535, 146, "5 February 2026", align="r")
    s.text(60, 224, "Membership renewal for the 2026 season", bold=True, size=14.5)
    y = 250.0
    for words in ("Dear Mr. Holloway-Brandt,",
                  "thank you for rowing with us. Your present membership expires on 31 March 2026. To keep your "
                  "rack in the boathouse, please renew with the slip below by 20 March 2026.",
                  "The season opens with the regatta on 9 May 2026. The annual general meeting, to which all "
                  "members are invited, is held in the clubhouse on 18 April 2026 at 2 p.m.",
                  "We look forward to seeing you on the water."):
        y = s.prose(60, y, 475, words, step=17) + 8
    s.lines(60, y + 12, ["Imelda Strathcairn", "Membership secretary"], step=17)
    for x in range(40, 556, 12):
        s.rule(x, 490, x + 7)
    s.text(60, 524, "Renewal slip", bold=True, size=14.5)
    s.box(60, 540, 535, 600)
    y = s.pairs(72, 190, 564, [("Member no.", "HB-73846"), ("Category", "Family")], step=22)
    s.text(320, 564, "Season")
    s.text(430, 564, "2026")
    s.text(320, 586, "Boat rack")
    s.text(430, 586, "27")
    y = s.pairs(72, 523, 630, [("Family membership fee", "CAD 385.00"), ("Boat rack rental", "CAD 120.00"),
                               ("HST 13%", "CAD 65.65")], align="r", step=21)
    s.rule(60, y - 14, 535)
    s.text(72, y + 6, "Total amount payable", bold=True)
    s.text(523, y + 6, "CAD 570.65", bold=True, align="r")
    s.text(72, y + 50, "Signature  ______________________________")
    return s


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
            cv2.imwrite(str(target), np.round(image / 36.0).astype(np.uint8) * 36, [cv2.IMWRITE_PNG_COMPRESSION, 9])
            return
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 45])[1].tobytes()
        out.new_page(width=A4[0], height=A4[1]).insert_image((0, 0, *A4), stream=jpeg)
    out.save(target, garbage=4, deflate=True, no_new_id=True)


DOCUMENTS: dict[str, tuple[Callable[[], Sheet], bool]] = {
    "joinery_quotation.pdf": (quotation, False), "wasserabrechnung.pdf": (water_bill, False),
    "employment_contract.pdf": (contract, False), "expense_claim.pdf": (expense_claim, False),
    "calibration_certificate.png": (calibration, True), "loan_statement.pdf": (loan_statement, True),
    "packing_list.png": (packing_list, True), "membership_renewal.pdf": (membership, True)}


def main() -> None:
    """Write every document."""
    rng = np.random.default_rng(SEED)
    for name, (draw, scanned) in DOCUMENTS.items():
        save(name, draw(), rng, scanned)


if __name__ == "__main__":
    main()
