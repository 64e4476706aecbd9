"""The worker's image as `make image` has left it in build/image: what is in it, how it runs, that it is reproducible.

- conftest: the image, unpacked, and runc to run it
- bundle: an image as a directory, and a container of it
- test_contents: what is in it and what is not
- test_running: non-root, read-only, without capabilities; and quick
- test_cheetah: the image with SPU, if `make image-cheetah` has left one in build/image-cheetah: two parties compute in it
- test_worker_lock: what the worker imports is what the lock for the image holds; needs no image
"""
