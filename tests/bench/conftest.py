# It needs the environment of MPyC, which is not ours.
collect_ignore = ["mpyc_peer.py"]
