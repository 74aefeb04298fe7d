"""What researchers have on disk, to poses, lexicons, splits and reports; every step resumable."""
