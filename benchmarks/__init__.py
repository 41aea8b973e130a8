"""What the project promises about speed, measured: ratios within one run, each beside its target."""
