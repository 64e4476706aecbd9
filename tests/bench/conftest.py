# They need the environments of MPyC and SPU, which are not ours.
collect_ignore = ["mpyc_peer.py", "spu_peer.py"]
