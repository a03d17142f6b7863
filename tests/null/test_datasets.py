"""The embedded slice, the full set and the idx reader."""

from __future__ import annotations

import gzip
import lzma
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unicnn.datasets import Dataset, embedded, fashion, fashion_mnist, make_slice
from unicnn.datasets import idx as idx_files
from unicnn.datasets.idx import read_images, read_labels, read_pair
from unicnn.errors import DataError

FULL_SET = fashion.SYSTEM_FOLDER
needs_full_set = pytest.mark.skipif(
    not FULL_SET.is_dir(),
    reason="the full set is not installed: apt-get install dataset-fashion-mnist",
)


def idx(*shape: int, payload: bytes | None = None, magic: bytes = b"\0\0\x08") -> bytes:
    """Return an idx file whose values count up from zero, modulo 10."""
    values = bytes(i % 10 for i in range(int(np.prod(shape)))) if payload is None else payload
    return magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a function that writes bytes to a file and returns its path."""

    def _write(content: bytes, name: str = "file-idx") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return _write


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Return a folder with a small Fashion-MNIST: 20 train and 10 test images, one file gzipped."""
    for prefix, n in (("train", 20), ("t10k", 10)):
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(n, 28, 28))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(n)))
    return tmp_path


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pretend that the full set is nowhere on this machine."""
    monkeypatch.delenv(fashion.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(fashion, "SYSTEM_FOLDER", tmp_path / "nowhere")


class TestEmbeddedSlice:
    @pytest.mark.parametrize(("split", "n"), [("train", 2000), ("test", 1000)])
    def test_has_the_promised_size_type_and_balance(self, split: str, n: int) -> None:
        data = fashion_mnist(split, source="embedded")
        assert data.images.shape == (n, 28, 28)
        assert data.images.dtype == data.labels.dtype == np.uint8
        assert np.bincount(data.labels, minlength=10).tolist() == [n // 10] * 10
        assert (len(data), len(data.classes)) == (n, 10)
        assert "embedded" in data.source

    @pytest.mark.parametrize("n", [1, 25, 256, 999])
    def test_any_prefix_is_nearly_balanced(self, n: int) -> None:
        counts = np.bincount(fashion_mnist(source="embedded").take(n).labels, minlength=10)
        assert np.ptp(counts) <= 1

    def test_arrays_have_the_recorded_checksum(self) -> None:
        splits = [fashion_mnist(split, source="embedded") for split in ("train", "test")]
        arrays = {f"{d.split}_{part}": getattr(d, part) for d in splits for part in ("images", "labels")}
        assert embedded.checksum(arrays) == embedded.SHA256

    def test_stays_small_and_has_its_licence_beside_it(self) -> None:
        packed = Path(embedded.__file__).with_name(embedded.FILE)
        assert packed.stat().st_size < 1_800_000
        assert "Zalando" in packed.with_name("fashion_mnist_slice.LICENSE.txt").read_text()

    def test_a_damaged_file_is_a_data_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: bytes) -> bytes:
            raise lzma.LZMAError("corrupt input data")

        monkeypatch.setattr(lzma, "decompress", refuse)
        with pytest.raises(DataError, match=r"corrupt input data.*Install unicnn again"):
            embedded._arrays.__wrapped__()

    def test_is_packed_twice_the_same(self) -> None:
        splits = [fashion_mnist(split, source="embedded").take(40) for split in ("train", "test")]
        arrays = {f"{d.split}_{part}": getattr(d, part) for d in splits for part in ("images", "labels")}
        assert make_slice.pack(arrays) == make_slice.pack(arrays)

    @needs_full_set
    def test_is_made_from_the_full_set(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_slice.main(["--data", str(FULL_SET), "--out", str(tmp_path / "slice")])
        with lzma.open(tmp_path / "slice") as unpacked, np.load(unpacked, allow_pickle=False) as archive:
            assert embedded.checksum(archive) == embedded.SHA256
        assert "as recorded" in capsys.readouterr().out


class TestDataset:
    def test_as_float_divides_by_255_in_float32_and_adds_a_channel(self) -> None:
        data = fashion_mnist("test", source="embedded").take(7)
        images, labels = data.as_float()
        assert images.shape == (7, 1, 28, 28)
        assert images.dtype == np.float32
        assert labels.dtype == np.int64
        assert np.array_equal(images[:, 0], data.images.astype(np.float32) / np.float32(255))
        assert np.array_equal(labels, data.labels)
        assert images.max() == 1

    def test_as_float_gives_arrays_to_write_to(self) -> None:
        images, labels = fashion_mnist(source="embedded").take(1).as_float()
        images[0], labels[0] = 0.5, 3

    @pytest.mark.parametrize("attribute", ["images", "labels"])
    def test_stored_arrays_cannot_be_written(self, attribute: str) -> None:
        with pytest.raises(ValueError, match="read-only"):
            getattr(fashion_mnist(source="embedded"), attribute)[0] = 0

    def test_take_keeps_the_first_samples_and_the_rest_of_the_fields(self) -> None:
        data = fashion_mnist(source="embedded")
        few = data.take(12)
        assert np.array_equal(few.images, data.images[:12])
        assert (few.classes, few.source, few.split) == (data.classes, data.source, data.split)

    @pytest.mark.parametrize("n", [-1, 2001])
    def test_take_refuses_what_is_not_there(self, n: int) -> None:
        with pytest.raises(DataError, match=rf"cannot take {n} of 2000"):
            fashion_mnist(source="embedded").take(n)

    def test_needs_one_label_per_image(self) -> None:
        images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(3, np.uint8)
        with pytest.raises(DataError, match="2 images and 3 labels"):
            Dataset("x", "train", images, labels, fashion.CLASSES, "here")

    def test_prints_without_its_pixels(self) -> None:
        assert len(repr(fashion_mnist(source="embedded"))) < 120


class TestWhereTheFullSetIsFound:
    def test_in_a_folder_given_as_source(self, small_set: Path) -> None:
        data = fashion_mnist("test", source=small_set)
        assert (len(data), data.source) == (10, str(small_set))

    @pytest.mark.parametrize("source", ["auto", "full"])
    def test_in_the_folder_of_the_environment_variable(self, source: str, small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(fashion.FOLDER_VARIABLE, str(small_set))
        assert len(fashion_mnist(source=source)) == 20

    def test_in_a_subfolder_of_it(self, small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        subfolder = small_set / "fashion-mnist"
        files = list(small_set.iterdir())
        subfolder.mkdir()
        for file in files:
            file.rename(subfolder / file.name)
        monkeypatch.setenv(fashion.FOLDER_VARIABLE, str(small_set))
        assert fashion_mnist().source == str(subfolder)

    def test_in_the_system_folder(self, small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(fashion.FOLDER_VARIABLE, raising=False)
        monkeypatch.setattr(fashion, "SYSTEM_FOLDER", small_set)
        assert fashion_mnist().source == str(small_set)

    def test_a_plain_file_wins_over_the_gzipped_one(self, small_set: Path) -> None:
        (small_set / "train-images-idx3-ubyte.gz").write_bytes(b"not read")
        assert len(fashion_mnist(source=small_set)) == 20

    @pytest.mark.usefixtures("nothing_installed")
    def test_auto_falls_back_to_the_slice(self) -> None:
        assert "embedded" in fashion_mnist().source

    @pytest.mark.usefixtures("nothing_installed")
    def test_full_names_the_three_places_and_the_command(self) -> None:
        with pytest.raises(DataError) as error:
            fashion_mnist(source="full")
        places = ("source", "UNICNN_DATA", str(fashion.SYSTEM_FOLDER))
        assert all(text in str(error.value) for text in places)
        assert "apt-get install dataset-fashion-mnist" in str(error.value)

    def test_a_folder_that_lacks_a_file_is_told_which(self, small_set: Path) -> None:
        (small_set / "t10k-images-idx3-ubyte").unlink()
        with pytest.raises(DataError, match="lacks t10k-images-idx3-ubyte "):
            fashion_mnist(source=small_set)

    def test_images_of_another_size_are_refused(self, small_set: Path) -> None:
        (small_set / "train-images-idx3-ubyte").write_bytes(idx(20, 32, 32))
        with pytest.raises(DataError, match="32x32, those of Fashion-MNIST 28x28"):
            fashion_mnist(source=small_set)

    def test_an_unknown_split_is_refused(self) -> None:
        with pytest.raises(DataError, match="no split 'validation'"):
            fashion_mnist("validation")

    @needs_full_set
    def test_the_installed_set_holds_70000_images_and_begins_like_the_slice(self) -> None:
        train, test = (fashion_mnist(split, source=FULL_SET) for split in ("train", "test"))
        assert (len(train), len(test)) == (60_000, 10_000)
        first_of_each_class = make_slice.choose(train.labels, 1)
        assert np.array_equal(train.images[first_of_each_class], fashion_mnist(source="embedded").images[:10])


class TestIdxFiles:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
    def test_values_come_back(self, pack: Callable[[bytes], bytes], write: Callable[[bytes], Path]) -> None:
        images = read_images(write(pack(idx(2, 3, 4))))
        assert images.ravel().tolist() == [i % 10 for i in range(24)]
        assert images.shape == (2, 3, 4)

    def test_a_file_may_hold_no_images(self, write: Callable[[bytes], Path]) -> None:
        assert read_images(write(idx(0, 28, 28))).shape == (0, 28, 28)

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            pytest.param(b"", "starts with nothing", id="empty"),
            pytest.param(b"PK\x03\x04", "starts with 50 4b 03 04", id="a zip file"),
            pytest.param(idx(2, 3, 4)[:9], "ends inside its header", id="ends in the header"),
            pytest.param(idx(2, 3, 4)[:-1], "claims 2x3x4 bytes but the file holds 23", id="one byte short"),
            pytest.param(idx(2, 3, 4) + b"\0", "file holds (more|25)", id="one byte long"),
            pytest.param(idx(4), "has 1 dimensions, but images have 3 and labels 1", id="labels for images"),
            pytest.param(idx(2, 3, 4, magic=b"\0\0\x0d"), "holds float32 values", id="of floats"),
            pytest.param(
                idx(2, 3, 4, magic=b"\0\0\x07"),
                "but an idx file with 00 00",
                id="of no known type",
            ),
        ],
    )
    def test_a_file_is_refused_that_is(
        self,
        content: bytes,
        message: str,
        pack: Callable[[bytes], bytes],
        write: Callable[[bytes], Path],
    ) -> None:
        with pytest.raises(DataError, match=message):
            read_images(write(pack(content)))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
    def test_a_header_that_claims_terabytes_is_refused_before_memory_is_taken(
        self, pack: Callable[[bytes], bytes], write: Callable[[bytes], Path]
    ) -> None:
        path = write(pack(idx(2**32 - 1, 2**32 - 1, 2**32 - 1, payload=b"few")))
        with pytest.raises(DataError, match="claims 4294967295x4294967295x4294967295 bytes but the file"):
            read_images(path)

    def test_a_gzip_bomb_is_not_unpacked_beyond_its_claim(self, write: Callable[[bytes], Path]) -> None:
        bomb = gzip.compress(idx(1, 2, 2, payload=bytes(1 << 24)))
        with pytest.raises(DataError, match="claims 1x2x2 bytes but the file holds more"):
            read_images(write(bomb))

    def test_a_gzip_bomb_with_an_honest_header_is_refused_too(
        self, write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(idx_files, "LARGEST_PAYLOAD", 999)
        with pytest.raises(DataError, match="claims 1000x1x1 bytes but the file may hold at most 999"):
            read_images(write(gzip.compress(idx(1000, 1, 1))))

    @pytest.mark.parametrize("end", [12, -9], ids=["in the header", "in the trailer"])
    def test_truncated_gzip_data_is_refused(self, end: int, write: Callable[[bytes], Path]) -> None:
        with pytest.raises(DataError, match="gzip data cannot be unpacked"):
            read_images(write(gzip.compress(idx(2, 3, 4))[:end]))

    def test_labels_beyond_the_classes_are_refused(self, write: Callable[[bytes], Path]) -> None:
        with pytest.raises(DataError, match=r"label 2 is 10, but the labels of 10 classes lie in 0\.\.9"):
            read_labels(write(idx(3, payload=b"\x00\x09\x0a")))

    def test_as_many_labels_as_images_are_needed(self, tmp_path: Path) -> None:
        (tmp_path / "images").write_bytes(idx(2, 3, 4))
        (tmp_path / "labels").write_bytes(idx(3))
        with pytest.raises(DataError, match="holds 2 images but labels holds 3 labels"):
            read_pair(tmp_path / "images", tmp_path / "labels")

    def test_a_missing_file_is_a_data_error(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is no such file"):
            read_labels(tmp_path / "absent")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a Unix thing")
    def test_a_pipe_is_refused_instead_of_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="not a plain file"):
            read_labels(tmp_path / "pipe")


def test_importing_datasets_imports_no_framework() -> None:
    heavy = "{'torch', 'tensorflow', 'keras', 'mxnet', 'jax', 'PIL', 'pandas', 'scipy'}"
    code = f"import sys, unicnn.datasets; print(*sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
