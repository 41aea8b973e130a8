"""Postcard, an invented video service: its dialect, its simulator, and where it stands in the catalogue."""

from pathlib import Path

CATALOG = Path(__file__).with_name("postcard.toml")
"""The provider's row, its menu and its prices: ``kn.Lab(…, providers=CATALOG)``."""
