"""One file per tab: widgets and wiring."""
