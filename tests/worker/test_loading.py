import json
import subprocess
import sys

YOUNG = """
import gc, json
from worker.loading import load

looks = []
gc.callbacks.append(lambda phase, info: looks.append(info["generation"]))
load("worker.commands")
load("worker.compute")
young = len(gc.get_objects(generation=0)) + len(gc.get_objects(generation=1))
kept = [gc.get_freeze_count(), gc.isenabled()]
print(json.dumps({"looks": len(looks), "young": young, "all": len(gc.get_objects()), "kept": kept}))
"""


def test_what_is_loaded_stays_and_is_not_looked_at_for_garbage_then_or_soon_after():
    done = subprocess.run([sys.executable, "-c", YOUNG], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["looks"] <= 4  # begin and end, once after each module at most: of what was made since
    assert told["young"] < told["all"] / 20
    assert told["kept"] == [0, True]
