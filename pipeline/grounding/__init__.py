"""Holds what was said of a page against the page's own words."""
