"""Notebook experiments with Kling video models."""
