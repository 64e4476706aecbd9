from hypothesis import settings

# Three threads with key agreement take 10 ms and more, and other work shares the machine.
settings.register_profile("three-parties", settings.get_profile("any-machine"), max_examples=12)
settings.load_profile("three-parties")
