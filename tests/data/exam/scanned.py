"""The four pages of the exam set that are scanned. All names and numbers are invented."""

from __future__ import annotations

from sheet import Sheet


def calibration() -> Sheet:
    """A calibration certificate, to be scanned."""
    s = Sheet(size=11.5)
    s.box(36, 36, 559, 806)
    s.text(297, 84, "Thornwick Metrology Services", bold=True, size=15, align="c")
    s.text(297, 102, "Quarry Road 22, Thornwick TH8 4LP", align="c")
    s.text(297, 152, "CALIBRATION CERTIFICATE", bold=True, size=21, align="c")
    y = s.pairs(
        66,
        260,
        196,
        [
            ("Certificate number", "KW-47293"),
            ("Instrument", "Platform scale, electronic"),
            ("Manufacturer", "Hallforth"),
            ("Serial number", "88-2364"),
            ("Capacity", "150 kg"),
            ("Scale interval", "20 g"),
            ("Customer", "Ashlode Parcel Depot, Thornwick"),
        ],
        step=19,
    )
    y = s.pairs(
        66,
        260,
        y + 10,
        [
            ("Date received", "26 January 2026"),
            ("Date of calibration", "28 January 2026"),
            ("Date of issue", "30 January 2026"),
            ("Next calibration due", "28 January 2027"),
        ],
        step=19,
    )
    s.text(66, y + 16, "Results", bold=True, size=13)
    y = s.table(
        y + 40,
        [(70, "l", "Test load"), (290, "r", "Indication"), (400, "r", "Error"), (525, "r", "Permissible")],
        [
            ("10 kg", "10.00 kg", "0 g", "20 g"),
            ("50 kg", "50.02 kg", "+20 g", "40 g"),
            ("100 kg", "100.02 kg", "+20 g", "60 g"),
            ("150 kg", "149.98 kg", "-20 g", "60 g"),
        ],
        step=20,
        grid=(66, 529),
    )
    y = s.pairs(66, 260, y + 12, [("Ambient temperature", "21.4 °C"), ("Relative humidity", "47 %")], step=19)
    y = s.prose(
        66,
        y + 10,
        463,
        "The errors found lie within the permissible limits. The reference weights used are traceable to "
        "national standards. This certificate may be copied only in full.",
        step=16,
    )
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
    s.pairs(
        310,
        541,
        134,
        [
            ("Statement date", "January 9, 2026"),
            ("Loan number", "5583-27794"),
            ("Loan type", "Farm equipment"),
        ],
        align="r",
    )
    y = s.pairs(
        54,
        300,
        214,
        [
            ("Original loan amount", "$48,000.00"),
            ("Date of loan", "June 16, 2025"),
            ("Interest rate, fixed", "6.25%"),
            ("Term", "60 months"),
            ("Maturity date", "June 16, 2030"),
        ],
        step=17,
    )
    balance, paid, rows = 4_800_000, 93_357, []
    total_interest = 0
    for month in ("July", "August", "September", "October", "November", "December"):
        interest = round(balance * 0.0625 / 12)
        principal = paid - interest
        balance, total_interest = balance - principal, total_interest + interest
        rows.append(
            [f"{month} 16, 2025", *(f"{cents / 100:,.2f}" for cents in (paid, interest, principal, balance))]
        )
    s.text(54, y + 20, "Payments received", bold=True, size=13)
    y = s.table(
        y + 46,
        [
            (54, "l", "Date"),
            (262, "r", "Payment"),
            (352, "r", "Interest"),
            (446, "r", "Principal"),
            (541, "r", "Balance"),
        ],
        rows,
        step=21,
        grid=(54, 541),
    )
    s.prose(
        54,
        y + 20,
        487,
        "Payments are applied first to interest and then to principal. The summary of your account is "
        "shown on the next page.",
        step=16,
    )
    s.new_page()
    s.text(54, 76, "Pinnock Valley Credit Union", bold=True, size=16)
    s.text(541, 76, "Loan 5583-27794, page 2 of 2", align="r")
    s.rule(54, 88, 541, 1.4)
    s.text(54, 124, "Account summary as of December 31, 2025", bold=True, size=13)
    y = s.pairs(
        54,
        470,
        152,
        [
            ("Total payments received", f"${6 * paid / 100:,.2f}"),
            ("Interest paid in 2025", f"${total_interest / 100:,.2f}"),
            ("Principal paid in 2025", f"${48_000 - balance / 100:,.2f}"),
            ("Closing principal balance", f"${balance / 100:,.2f}"),
        ],
        align="r",
        step=20,
    )
    s.text(54, y + 24, "Your next payment", bold=True, size=13)
    y = s.pairs(
        54,
        470,
        y + 52,
        [
            ("Next payment due on", "January 16, 2026"),
            ("Payment amount", "$933.57"),
            ("Method", "Direct debit"),
        ],
        align="r",
        step=20,
    )
    s.prose(
        54,
        y + 24,
        487,
        "Please compare this statement with your records and tell us of any error by February 27, 2026. "
        "You may repay the loan early at any time; ask us for a payoff figure at least ten days before. "
        "Keep this statement for your tax records.",
        step=16,
    )
    return s


def packing_list() -> Sheet:
    """A packing list, to be scanned."""
    s = Sheet("cour", "cobo", 11)
    s.text(48, 72, "PACKING LIST", bold=True, size=22)
    s.lines(330, 62, ["Fjellvang Lighting AS", "Havnegata 46", "Solbergvik"], step=15)
    s.rule(48, 108, 547, 1.4)
    s.text(48, 134, "Consignee", bold=True)
    s.lines(48, 151, ["Marrowby Stage Hire", "Dock Street 29", "Marrowby"], step=15)
    s.pairs(
        290,
        424,
        134,
        [
            ("List no.", "PL-83627"),
            ("Order no.", "TM-4459"),
            ("Order date", "2 Dec 2025"),
            ("Date of dispatch", "21 Jan 2026"),
            ("Expected arrival", "29 Jan 2026"),
        ],
        step=17,
    )
    y = s.table(
        248,
        [
            (48, "l", "Carton"),
            (108, "l", "Contents"),
            (368, "r", "Qty"),
            (458, "r", "Net kg"),
            (547, "r", "Gross kg"),
        ],
        [
            ("1-2", "Profile spotlight LS750", "8", "62.4", "68.9"),
            ("3", "Dimmer rack, 12 channels", "1", "27.8", "31.5"),
            ("4", "Cable loom, 25 m", "6", "33.6", "35.2"),
            ("5-6", "Truss clamps, steel", "48", "57.6", "60.3"),
            ("7", "Colour filters, assorted", "90", "4.5", "6.2"),
        ],
        step=21,
        grid=(48, 547),
    )
    s.text(108, y + 2, "Total", bold=True)
    s.text(458, y + 2, "185.9", bold=True, align="r")
    s.text(547, y + 2, "202.1", bold=True, align="r")
    y = s.pairs(
        48,
        230,
        y + 48,
        [
            ("Total packages:", "7"),
            ("Pallets:", "2"),
            ("Volume:", "1.64 m3"),
            ("Declared value:", "NOK 73,460.00"),
            ("Freight:", "NOK 2,385.00"),
            ("Delivery terms:", "DAP Marrowby"),
            ("Fragile:", "No"),
            ("Insured:", "Yes"),
        ],
        step=20,
    )
    s.prose(
        48,
        y + 18,
        499,
        "Please check the cartons on arrival and report any damage to the carrier at once. Claims for "
        "missing items are accepted within 7 days.",
        step=16,
    )
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
    for words in (
        "Dear Mr. Holloway-Brandt,",
        "thank you for rowing with us. Your present membership expires on 31 March 2026. To keep your rack "
        "in the boathouse, please renew with the slip below by 20 March 2026.",
        "The season opens with the regatta on 9 May 2026. The annual general meeting, to which all members "
        "are invited, is held in the clubhouse on 18 April 2026 at 2 p.m.",
        "We look forward to seeing you on the water.",
    ):
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
    y = s.pairs(
        72,
        523,
        630,
        [
            ("Family membership fee", "CAD 385.00"),
            ("Boat rack rental", "CAD 120.00"),
            ("HST 13%", "CAD 65.65"),
        ],
        align="r",
        step=21,
    )
    s.rule(60, y - 14, 535)
    s.text(72, y + 6, "Total amount payable", bold=True)
    s.text(523, y + 6, "CAD 570.65", bold=True, align="r")
    s.text(72, y + 50, "Signature  ______________________________")
    return s
