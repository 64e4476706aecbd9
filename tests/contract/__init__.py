"""What this project takes for granted of other systems, held against them.

Against a Dataverse installation: CCD_DATAVERSE_URL names it, CCD_DATAVERSE_TOKEN is an API token of a user who may
create datasets in the collection CCD_DATAVERSE_COLLECTION (default: root), and CCD_DATAVERSE_STORAGE lists the sites to
which it redirects downloads, if it does. Without these the same tests run against the stand-in in `tests.dataverse`.
They leave published datasets behind, with a line of data each, unless the user may destroy them: use an installation
that is meant for tests.
"""
