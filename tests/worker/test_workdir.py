"""What is left of a party's plaintext, and when."""

from worker.workdir import WorkDir


def test_texts_go_once_they_are_loaded_and_parquet_when_it_is_read_no_more(tmp_path):
    work = WorkDir(tmp_path)
    text, parquet = work.data_file("alpha/flights", "csv"), work.data_file("alpha/trips", "parquet")
    beside = parquet.with_name("stored")
    for file in (text, parquet, beside):
        file.write_bytes(b"x" * 100)
    work.spill.mkdir()
    (work.spill / "block").write_bytes(b"x" * 50)
    work.remove_data(keep=[parquet])
    assert [file for file in work.data.rglob("*") if file.is_file()] == [parquet]
    assert work.spill.exists()  # an engine that still runs may need it
    work.remove_data()
    assert not work.data.exists()
    assert not work.spill.exists()
    assert work.most_bytes == 350
