"""One Jinja2 file per document that is written: blanks and loops; every decision is made in `renderer`, none here."""
