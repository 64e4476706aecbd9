import hashlib

from hypothesis import given
from hypothesis import strategies as st

from worker.endpoints.digests import BATCH_BYTES, Digests, Sink


@given(segments=st.lists(st.binary(min_size=1, max_size=50), max_size=6), rest=st.binary(max_size=20), cuts=st.data())
def test_segments_are_digested_however_the_stream_is_cut(segments, rest, cuts):
    content = b"".join(segments) + rest
    digests, at = Digests([len(segment) for segment in segments]), 0
    while at < len(content):
        n_bytes = cuts.draw(st.integers(1, len(content) - at))
        digests.update(content[at : at + n_bytes])
        at += n_bytes
    assert digests.segment_md5s == [hashlib.md5(segment).hexdigest() for segment in segments]
    assert digests.md5 == hashlib.md5(rest).hexdigest()
    assert (digests.sha256, digests.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_a_sink_writes_what_it_digests_and_can_begin_anew(tmp_path):
    content = bytes(range(256)) * (BATCH_BYTES // 100)
    with (tmp_path / "file").open("wb", buffering=0) as file:
        sink = Sink(file)
        sink.take(b"spoilt" * 100_000)
        sink.restart(Digests())
        for at in range(0, len(content), 70_000):
            sink.take(content[at : at + 70_000])
        digests = sink.settle()
        sink.close()
    assert digests.sha256 == hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
    assert (tmp_path / "file").read_bytes() == content


def test_a_disk_that_is_full_is_told_and_not_waited_for():
    with open("/dev/full", "wb", buffering=0) as full:
        sink = Sink(full)
        raised = None
        try:
            for _ in range(100):
                sink.take(bytes(BATCH_BYTES))
        except OSError as error:
            raised = error
        sink.close()
    assert raised is not None
