"""One Jinja2 file per Kubernetes object: blanks and loops; every decision is made in `renderer`, none here."""
