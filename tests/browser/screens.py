"""The screens that reports are tested on, and what opens a report there."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

WIDE, PHONE = (1440, 900), (390, 844)
"""Width and height in px."""

Opened = Callable[..., Page]
"""Opens a report, at a place in it (`#findings/0`), on a screen, in a colour scheme."""
