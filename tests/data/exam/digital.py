"""The four pages of the exam set that stay digital. All names and numbers are invented."""

from __future__ import annotations

from sheet import GREY, Sheet


def quotation() -> Sheet:
    """A joiner's quotation, details at the right, totals under the table."""
    s = Sheet()
    s.text(50, 70, "Brackenfold Joinery Ltd", bold=True, size=17)
    s.lines(50, 88, ["Unit 6, Tannery Yard, Wexcombe WX4 7QD", "Telephone 01632 960 417"], size=9.5)
    s.rule(50, 112, 545, 1.5)
    s.text(50, 146, "QUOTATION", bold=True, size=20)
    s.lines(50, 176, ["Mrs H. Pellworth", "The Old Signal House", "38 Larkmere Lane", "Wexcombe WX2 3NB"])
    s.pairs(
        330,
        448,
        146,
        [
            ("Quotation no.", "Q-2648-R"),
            ("Date of issue", "14 January 2026"),
            ("Site visit", "9 January 2026"),
            ("Quotation valid until", "13 February 2026"),
            ("Prepared by", "D. Fennimoor"),
        ],
        step=17,
    )
    s.text(50, 262, "Replacement of the staircase, ground floor to first floor", bold=True, size=12)
    y = s.prose(
        50,
        282,
        495,
        "Thank you for your enquiry. As agreed at the site visit we are pleased to offer the following "
        "work in European oak, finished with two coats of hard-wax oil:",
    )
    y = s.table(
        y + 16,
        [
            (50, "l", "Item"),
            (84, "l", "Description"),
            (350, "r", "Qty"),
            (380, "l", "Unit"),
            (476, "r", "Unit price"),
            (545, "r", "Amount"),
        ],
        [
            ("1", "Stair treads, oak, 32 mm", "13", "pcs", "84.50", "1,098.50"),
            ("2", "Handrail, ash, turned", "6.4", "m", "72.00", "460.80"),
            ("3", "Newel posts with cap", "3", "pcs", "118.00", "354.00"),
            ("4", "Fitting by two joiners", "4", "days", "310.00", "1,240.00"),
            ("5", "Removal and disposal of old stair", "1", "lot", "95.00", "95.00"),
        ],
        step=20,
    )
    s.rule(330, y - 8, 545)
    y = s.pairs(350, 545, y + 8, [("Net total", "£3,248.30"), ("VAT at 20%", "£649.66")], align="r", step=18)
    s.text(350, y, "Total including VAT", bold=True)
    s.text(545, y, "£3,897.96", bold=True, align="r")
    s.rule(330, y + 7, 545, 1.5)
    y = s.pairs(
        50,
        260,
        y + 48,
        [
            ("Deposit on acceptance (30%)", "£1,169.39"),
            ("Balance on practical handover", "£2,728.57"),
            ("Earliest start on site", "2 March 2026"),
        ],
        step=18,
    )
    y = s.prose(
        50,
        y + 14,
        495,
        "Prices hold for the period stated above. Making good of plaster and decoration is not included. "
        "Please sign and return one copy to place the order.",
    )
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
    s.lines(
        56,
        122,
        ["Hausgemeinschaft Birkenkamp", "z. Hd. Frau Liesel Oppenrieth", "Birkenkamp 17", "29999 Ellerbruch"],
    )
    s.pairs(
        345,
        545,
        104,
        [
            ("Kundennummer", "640 228 75"),
            ("Rechnungsnummer", "JW-2025-38846"),
            ("Rechnungsdatum", "9. Februar 2026"),
            ("Zählernummer", "8 774 392"),
        ],
        align="r",
    )
    s.text(56, 216, "Jahresabrechnung Wasser und Abwasser 2025", bold=True, size=15)
    s.text(56, 236, "Abrechnungszeitraum: 01.01.2025 bis 31.12.2025     Verbrauchsstelle: Birkenkamp 17")
    s.text(56, 270, "Zählerstände", bold=True, size=11.5)
    y = s.table(
        292,
        [
            (56, "l", "Ablesung am"),
            (230, "r", "Stand alt"),
            (340, "r", "Stand neu"),
            (450, "r", "Verbrauch"),
            (545, "r", "Ableseart"),
        ],
        [("31.12.2025", "1.482", "1.909", "427 m³", "Kunde")],
        grid=(56, 545),
    )
    s.text(56, y + 20, "Berechnung", bold=True, size=11.5)
    y = s.table(
        y + 42,
        [(56, "l", "Position"), (300, "r", "Menge"), (420, "r", "Preis je Einheit"), (545, "r", "Betrag")],
        [
            ("Trinkwasser", "427 m³", "2,14 EUR", "913,78 EUR"),
            ("Grundpreis Zähler Q3 = 4", "12 Monate", "9,50 EUR", "114,00 EUR"),
            ("Nettobetrag Trinkwasser", "", "", "1.027,78 EUR"),
            ("Umsatzsteuer 7 %", "", "", "71,94 EUR"),
            ("Bruttobetrag Trinkwasser", "", "", "1.099,72 EUR"),
            ("Schmutzwasser", "427 m³", "2,68 EUR", "1.144,36 EUR"),
            ("Niederschlagswasser", "318 m²", "0,92 EUR", "292,56 EUR"),
        ],
        grid=(56, 545),
    )
    s.box(56, y + 6, 545, y + 90, 0.95)
    y = s.pairs(
        70,
        531,
        y + 26,
        [
            ("Rechnungsbetrag gesamt", "2.536,64 EUR"),
            ("abzüglich geleistete Abschläge (11 x 210,00 EUR)", "2.310,00 EUR"),
        ],
        align="r",
    )
    s.text(70, y + 4, "Nachzahlung", bold=True, size=11.5)
    s.text(531, y + 4, "226,64 EUR", bold=True, size=11.5, align="r")
    s.text(70, y + 21, "Fällig am")
    s.text(531, y + 21, "3. März 2026", align="r")
    y = s.pairs(
        56,
        545,
        y + 66,
        [("Neuer monatlicher Abschlag", "231,00 EUR"), ("Erster neuer Abschlag zum", "1. April 2026")],
        align="r",
    )
    y = s.prose(
        56,
        y + 12,
        489,
        "Bitte überweisen Sie den offenen Betrag unter Angabe der Kundennummer. Einwände gegen diese "
        "Abrechnung richten Sie bitte innerhalb eines Monats schriftlich an uns.",
    )
    s.rule(56, 790, 545)
    s.text(
        300,
        804,
        "Wasserwerke Ellerbruch, Eigenbetrieb der Stadt · Öffnungszeiten Mo bis Do 8 bis 16 Uhr",
        size=8,
        align="c",
        color=GREY,
    )
    return s


def contract() -> Sheet:
    """An employment agreement in prose with numbered clauses, two pages."""
    s = Sheet("tiro", "tibo", 11.5)
    s.text(297, 92, "CONTRACT OF EMPLOYMENT", bold=True, size=17, align="c")
    s.text(297, 118, "dated 23 January 2026", align="c")
    clauses = [
        (
            "",
            [
                'between Corrigmoyle Seed & Grain Limited, Mill Quay, Ballynevin (the "Employer") and Ms '
                'Orla Tavenny, 5 Heron Terrace, Ballynevin (the "Employee"). It replaces the letter of '
                "offer of 12 December 2025."
            ],
        ),
        (
            "1. Position",
            [
                "1.1 The Employee is engaged as Quality Assurance Technician and reports to the Head of "
                "Laboratory.",
                "1.2 The place of work is Ballynevin. Occasional travel to the Employer's other premises "
                "may be required.",
            ],
        ),
        (
            "2. Commencement and probation",
            [
                "2.1 Date of commencement: 2 March 2026.",
                "2.2 The first six months are a probationary period, which ends on 1 September 2026. "
                "During probation either party may give two weeks' notice.",
                "2.3 The employment is of indefinite duration.",
            ],
        ),
        (
            "3. Remuneration",
            [
                "3.1 The gross annual salary is EUR 46,800.00, payable in twelve equal instalments of EUR "
                "3,900.00 in arrears by the last working day of the month.",
                "3.2 The Employer contributes EUR 195.00 a month to the occupational pension scheme.",
                "3.3 Work clothing is reimbursed up to EUR 240.00 in each calendar year against receipts.",
            ],
        ),
        (
            "4. Hours of work",
            [
                "4.1 Weekly working time: 37.5 hours, as a rule from Monday to Friday. Overtime is "
                "compensated by time off within three months."
            ],
        ),
        (
            "5. Leave",
            [
                "5.1 Annual leave entitlement: 26 working days, in addition to public holidays.",
                "5.2 Up to 5 days may be carried over and must be taken by 31 March of the following year.",
                "5.3 Absence through illness must be reported before 9.30 a.m. on the first day; a "
                "certificate is due from the third day.",
            ],
        ),
        (
            "6. Confidentiality",
            [
                "6.1 The Employee shall keep secret all business matters of the Employer, during the "
                "employment and after it, and shall return all papers and samples on leaving."
            ],
        ),
        (
            "7. Termination",
            [
                "7.1 Notice period after probation: 8 weeks to the end of a calendar month, in writing.",
                "7.2 The right to terminate for serious cause remains unaffected.",
            ],
        ),
        (
            "8. Final provisions",
            [
                "8.1 Changes to this contract must be made in writing. If a provision is invalid the "
                "others remain in force."
            ],
        ),
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
    boxes = [
        ("Claimant", "Renata Vogelsanger"),
        ("Department", "Service North"),
        ("Cost centre", "4275-SN"),
        ("Claim reference", "TEC 26/0183"),
        ("Start of trip", "12 January 2026"),
        ("End of trip", "14 January 2026"),
        ("Purpose", "Commissioning, Geneva"),
        ("Date submitted", "19 January 2026"),
        ("Approved on", "26 January 2026"),
    ]
    for number, (label, value) in enumerate(boxes):
        x, y = 48 + 166.3 * (number % 3), 86 + 44 * (number // 3)
        s.box(x, y, x + 166.3, y + 44)
        s.text(x + 7, y + 15, label, size=8.5, color=GREY)
        s.text(x + 7, y + 34, value, size=11)
    y = s.table(
        254,
        [
            (52, "l", "Date"),
            (130, "l", "Expense"),
            (370, "l", "Paid with"),
            (500, "r", "CHF"),
            (543, "r", "Receipt"),
        ],
        [
            ("12 Jan 2026", "Train Basel to Geneva, return", "Own card", "154.00", "1"),
            ("12 Jan 2026", "Taxi to customer", "Cash", "38.50", "2"),
            ("13 Jan 2026", "Dinner with customer, 3 persons", "Own card", "126.40", "3"),
            ("14 Jan 2026", "Hotel, 2 nights", "Own card", "418.00", "4"),
            ("14 Jan 2026", "Left luggage", "Cash", "24.00", "5"),
            ("14 Jan 2026", "Daily allowance, 3 x 35.00", "", "105.00", "none"),
        ],
        step=21,
        grid=(48, 547),
    )
    y = s.pairs(
        300,
        500,
        y + 14,
        [("Total expenses", "CHF 865.90"), ("Less cash advance", "CHF 400.00")],
        align="r",
        step=19,
    )
    s.rule(300, y - 13, 500)
    s.text(300, y + 3, "Amount to be reimbursed", bold=True)
    s.text(500, y + 3, "CHF 465.90", bold=True, align="r")
    s.box(48, y + 36, 547, y + 116)
    s.text(56, y + 54, "For accounts only", bold=True)
    s.text(56, y + 76, "Checked by:  ____________________")
    s.text(300, y + 76, "Paid on:  ____________________")
    s.text(56, y + 100, "Posting text:  ____________________")
    s.prose(
        48,
        y + 144,
        499,
        "I confirm that the expenses above were incurred on company business. Claims have to be handed in "
        "with all receipts within 30 days after the end of the trip.",
    )
    return s
