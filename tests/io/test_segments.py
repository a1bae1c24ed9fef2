"""Segments of their own that become one mask: 3D Slicer's layers, DICOM-SEG of every type."""

import highdicom as hd
import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, list_parts, read_classes, read_volume, write_mask
from tests.dicoms import base, text, write, write_series
from tests.io.test_geometry import BALL, PLACE, SHAPE, save

pytestmark = pytest.mark.usefixtures("one_child")

LPS = np.diag([-1.0, -1, 1, 1]) @ PLACE
A = BALL > 0
i, j, k = np.indices(SHAPE)
B = (i - 18) ** 2 + (j - 18) ** 2 + ((k - 4) * 2.7) ** 2 < 25
TURN = (2, 1, 0)  # (column, row, slice) to (frame, row, column)


@pytest.fixture
def image(tmp_path):
    return read_volume(save(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.int16)))


@pytest.fixture
def series(tmp_path):
    return read_volume(write_series(tmp_path / "ct", np.zeros(SHAPE, np.int16), PLACE, seed=3))


def laid(path, image, **how):
    found = lay_mask(path, image, **how)
    return image.grid.to_file(found.ids), " ".join(found.notes)


def slicer(path, data, segments, first=(0, 0, 0), **more):
    """A file as 3D Slicer writes it; `segments` are (name, value, layer)."""
    header = {
        "space": "left-posterior-superior", "encoding": "gzip", "kinds": ["domain"] * 3,
        "space directions": LPS[:3, :3].T, "space origin": (LPS @ [*first, 1])[:3],
    }  # fmt: skip
    if data.ndim == 4:
        header["kinds"] = ["list", *header["kinds"]]
        header["space directions"] = np.vstack([np.full(3, np.nan), LPS[:3, :3].T])
    for number, (name, value, layer) in enumerate(segments):
        start = f"Segment{number}_"
        header |= {f"{start}ID": f"S_{number}", f"{start}Name": name, f"{start}Color": "0.2 0.4 1"}
        if value is not None:
            header |= {f"{start}LabelValue": str(value), f"{start}Layer": str(layer)}
    nrrd.write(str(path), data, {**header, **more})
    return path


def test_layers_become_classes_with_ids_of_their_own(tmp_path, image):
    free = B & ~A
    path = slicer(
        tmp_path / "m.seg.nrrd", np.stack([A, free]).astype(np.uint8), [("A", 1, 0), ("B", 1, 1)]
    )
    mask, notes = laid(path, image)
    np.testing.assert_array_equal(mask, A + 2 * free)
    assert not notes
    assert [(c.id, c.name, c.colour) for c in read_classes(path)] == [
        (1, "A", "#3366FF"), (2, "B", "#3366FF"),
    ]  # fmt: skip
    assert list_parts(path) == ()


@pytest.mark.parametrize(
    ("wins", "ids", "told"),
    [
        ("", A.astype(int) * (~B) + 2 * B, "the later segment is kept"),
        ("earlier", A + 2 * (B & ~A), "the earlier segment is kept"),
        ("smaller", A.astype(int) * (~B) + 2 * B, "the smaller segment is kept"),
    ],
)
def test_overlapping_layers_are_told_and_a_choice(tmp_path, image, wins, ids, told):
    path = slicer(
        tmp_path / "m.seg.nrrd", np.stack([A, B]).astype(np.uint8), [("A", 1, 0), ("B", 1, 1)]
    )
    mask, notes = laid(path, image, overlaps=wins)
    np.testing.assert_array_equal(mask, ids)
    both = int((A & B).sum())
    assert f"{both} voxels belong to two segments: {told}" in notes
    lost = "B keeps" if wins == "earlier" else f"A keeps {A.sum() - both} of {A.sum()} voxels"
    assert lost in notes
    # Without its image the choice is a part, which the window asks for.
    parts = [part.key for part in list_parts(path)]
    assert parts == ["later", "earlier", "smaller"]
    alone = read_volume(path, part=wins)
    np.testing.assert_array_equal(alone.grid.to_file(alone.array), ids)
    assert any(told in note for note in alone.warnings)


def test_values_in_several_layers(tmp_path, image):
    """Two segments share a layer, a third one overlaps them; its values are its ids."""
    layers = np.stack([A * 5 + (B & ~A) * 7, (i > 16) & A]).astype(np.uint8)
    layers[1] *= 9
    names = [("five", 5, 0), ("seven", 7, 0), ("nine", 9, 1)]
    path = slicer(tmp_path / "m.seg.nrrd", layers, names)
    mask, notes = laid(path, image)
    np.testing.assert_array_equal(mask, np.where(layers[1], 9, layers[0]))
    assert "five keeps" in notes
    assert [c.id for c in read_classes(path)] == [5, 7, 9]


def test_a_layer_a_segment_as_slicer_wrote_it_before_values(tmp_path, image):
    path = slicer(
        tmp_path / "m.seg.nrrd", np.stack([A, B]).astype(np.uint8), [("A", None, 0), ("B", None, 0)]
    )
    assert [c.name for c in read_classes(path)] == ["A", "B"]
    np.testing.assert_array_equal(laid(path, image)[0], np.where(B, 2, A))


def test_cropped_extents_are_put_in_place(tmp_path, image):
    at = np.argwhere(A | B)
    first, last = at.min(0), at.max(0) + 1
    part = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    for data, names in (
        (A[part].astype(np.uint8), [("A", 1, 0)]),
        (np.stack([A[part], B[part]]).astype(np.uint8), [("A", 1, 0), ("B", 1, 1)]),
    ):
        offset = " ".join(map(str, first))
        path = slicer(tmp_path / "m.seg.nrrd", data, names, first,
                      Segmentation_ReferenceImageExtentOffset=offset)  # fmt: skip
        mask, notes = laid(path, image)
        np.testing.assert_array_equal(mask, A if data.ndim == 3 else np.where(B, 2, A))
        assert "the mask covers" in notes


def test_what_a_segment_does_not_name_is_told(tmp_path, image):
    data = A.astype(np.uint8)
    data[B & ~A] = 3
    path = slicer(tmp_path / "m.seg.nrrd", data, [("A", 1, 0)])
    mask, notes = laid(path, image)
    np.testing.assert_array_equal(mask, A)
    assert f"{(B & ~A).sum()} voxels belong to no segment and are left out" in notes
    path = slicer(tmp_path / "n.seg.nrrd", data, [("A", 1, 4)])
    with pytest.raises(InputError, match=r"A is in layer 4 by its header, .* and the file has 1"):
        laid(path, image)
    with pytest.raises(InputError, match="'both' does not say which"):
        laid(path, image, overlaps="both")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_with_umlauts_are_kept(tmp_path, image, encoding):
    """3D Slicer writes UTF-8; pynrrd and ITK keep ASCII alone, so that Wörbel became Wrbel."""
    path = slicer(tmp_path / "m.seg.nrrd", A.astype(np.uint8), [("Wxxrbel", 1, 0)])
    data = path.read_bytes().replace(b"Wxxrbel", "Wörbel".encode(encoding))
    path.write_bytes(data)
    assert [one.name for one in read_classes(path)] == ["Wörbel"]
    np.testing.assert_array_equal(laid(path, image)[0], A)
    back = tmp_path / "back.seg.nrrd"
    write_mask(back, image.grid.to_array(A.astype(np.uint8)), image, classes=read_classes(path))
    assert "Wörbel".encode() in back.read_bytes()
    assert [one.name for one in read_classes(back)] == ["Wörbel"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            b"LabelValue:=1",
            b"LabelValue:=Hans^M",
            "value, layer or colour of segment 0 is no number",
        ),
        (b"encoding: gzip", b"Hans^M\nencoding: gzip", "its header can't be understood. Save it"),
    ],
)
def test_a_header_that_is_not_understood_says_what_to_do(tmp_path, image, old, new, says):
    path = slicer(tmp_path / "m.seg.nrrd", A.astype(np.uint8), [("A", 1, 0)])
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(InputError, match=says) as caught:
        laid(path, image)
    assert "Hans" not in str(caught.value)


def dicom_seg(path, images, pixels, kind, names, **more):
    """A DICOM-SEG of others, `pixels` (frame, row, column[, segment])."""
    algorithm = hd.AlgorithmIdentificationSequence(
        name="a", family=codes.DCM.ArtificialIntelligence, version="1"
    )
    described = [
        hd.seg.SegmentDescription(
            segment_number=number, segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Liver, algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(names, start=1)
    ]  # fmt: skip
    hd.seg.Segmentation(
        source_images=images, pixel_array=pixels, segmentation_type=kind,
        segment_descriptions=described, series_instance_uid=hd.UID(), series_number=9,
        sop_instance_uid=hd.UID(), instance_number=1, manufacturer="m",
        manufacturer_model_name="m", software_versions="1", device_serial_number="1", **more,
    ).save_as(path)  # fmt: skip
    return path


def sources(folder):
    images = [pydicom.dcmread(file) for file in folder.iterdir()]
    for data in images:
        for name in ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
                     "AccessionNumber"):  # fmt: skip
            setattr(data, name, None)
    return sorted(images, key=lambda data: float(data.ImagePositionPatient[2]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wins", ["later", "earlier", "smaller"])
def test_binary_segments_that_overlap(tmp_path, series, wins):
    pixels = np.stack([A.transpose(TURN), B.transpose(TURN)], -1).astype(np.uint8)
    path = dicom_seg(tmp_path / "m.dcm", sources(tmp_path / "ct"), pixels, "BINARY", ["A", "B"])
    mask, notes = laid(path, series, overlaps=wins)
    ids = A + 2 * (B & ~A) if wins == "earlier" else np.where(B, 2, A)
    np.testing.assert_array_equal(mask, ids)
    assert f"{(A & B).sum()} voxels belong to two segments: the {wins} segment is kept" in notes
    assert [part.key for part in list_parts(path)] == ["later", "earlier", "smaller"]
    alone = read_volume(path, part=wins)
    assert np.bincount(alone.array.ravel())[1:].tolist() == np.bincount(ids.ravel())[1:].tolist()


@pytest.mark.filterwarnings("ignore")
def test_fractional_segments_at_half_the_larger_wins(tmp_path, series):
    distance = np.sqrt((i - 12) ** 2 + (j - 18) ** 2 + ((k - 4) * 2.7) ** 2)
    near = 1 / (1 + np.exp((distance - 7) / 1.5))
    images = sources(tmp_path / "ct")
    one = near.transpose(TURN)[..., None].astype(np.float32)
    path = dicom_seg(tmp_path / "one.dcm", images, one, "FRACTIONAL", ["A"],
                     fractional_type="PROBABILITY")  # fmt: skip
    mask, notes = laid(path, series)
    np.testing.assert_array_equal(mask, np.rint(near * 255) >= 127.5)
    assert not notes
    two = np.stack([0.9 * near, 0.6 * (distance < 9)], -1).transpose(2, 1, 0, 3)
    path = dicom_seg(tmp_path / "two.dcm", images, two.astype(np.float32), "FRACTIONAL", ["A", "B"],
                     fractional_type="OCCUPANCY", max_fractional_value=100)  # fmt: skip
    mask, notes = laid(path, series)
    first, second = np.rint(90 * near), 60 * (distance < 9)
    expected = np.where(second >= first, 2 * (second >= 50), first >= 50)
    assert (mask != expected).mean() < 1e-3  # the rounding of values right between two
    assert "the larger value is kept, so that" in notes


@pytest.mark.filterwarnings("ignore")
def test_a_fractional_segment_below_half_is_told(tmp_path, series):
    one = np.where(A, 0.3, 0).transpose(TURN).astype(np.float32)
    path = dicom_seg(tmp_path / "m.dcm", sources(tmp_path / "ct"), one, "FRACTIONAL", ["A"],
                     max_fractional_value=200)  # fmt: skip
    mask, notes = laid(path, series)
    assert not mask.any()
    assert "A is at most 30% of the maximum, below half of it: no voxel is taken" in notes


def test_a_damaged_segmentation_says_so(tmp_path, series):
    pixels = A.transpose(TURN)
    path = dicom_seg(tmp_path / "m.dcm", sources(tmp_path / "ct"), pixels, "BINARY", ["A"])
    data = pydicom.dcmread(path)
    data.PixelData = data.PixelData[: len(data.PixelData) // 2]
    data.save_as(tmp_path / "short.dcm")
    with pytest.raises(InputError, match=r"is missing or damaged. Copy the file again"):
        laid(tmp_path / "short.dcm", series)
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"describes no segments, or is cut off. Copy the file"):
        laid(tmp_path / "cut.dcm", series)


def test_label_maps(tmp_path, series):
    mask = np.where(B, 2, A).astype(np.uint8)
    path = dicom_seg(tmp_path / "m.dcm", sources(tmp_path / "ct"), mask.transpose(TURN), "LABELMAP",
                     ["A", "B"])  # fmt: skip
    assert pydicom.dcmread(path).SegmentationType == "LABELMAP"
    np.testing.assert_array_equal(laid(path, series)[0], mask)
    assert [(c.id, c.name) for c in read_classes(path)] == [(1, "A"), (2, "B")]
    alone = read_volume(path)
    assert sorted(np.bincount(alone.array.ravel())[1:]) == sorted(np.bincount(mask.ravel())[1:])


@pytest.mark.filterwarnings("ignore")
def test_a_segmentation_lies_on_what_was_converted_from_its_series(tmp_path, series, image):
    """On NIfTI of the same place, on a crop of it, and never on another scan."""
    mask = np.where(B, 2, A).astype(np.uint8)
    path = write_mask(tmp_path / "m.dcm", series.grid.to_array(mask), series)
    np.testing.assert_array_equal(laid(path, image)[0], mask)
    at = PLACE @ nib.affines.from_matvec(np.eye(3), (3, 2, 3))
    crop = read_volume(save(tmp_path / "c.nii", np.zeros((25, 25, 6), np.int16), at))
    cut, notes = laid(path, crop)
    np.testing.assert_array_equal(cut, mask[3:28, 2:27, 3:9])
    assert "frames of the segmentation lie outside the image" in notes
    there = PLACE.copy()
    there[0, 3] += 0.4
    with pytest.raises(InputError, match=r"m\.dcm: the mask's voxels lie 0\.4 mm beside"):
        laid(path, read_volume(save(tmp_path / "d.nii", np.zeros(SHAPE, np.int16), there)))


def test_radiographs_have_segmentations_too(tmp_path):
    """Images without a position in the patient: a segmentation belongs to one image."""
    rng = np.random.default_rng(0)
    for number in range(2):
        data = base(rng.integers(0, 900, (24, 20)).astype(np.uint16), Modality="CR")
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        data.PixelSpacing, data.InstanceNumber = text([0.2, 0.2]), number + 1
        del data.FrameOfReferenceUID
        write(data, tmp_path / f"cr{number}" / "x.dcm", number)
        write(data, tmp_path / "both" / f"{number}.dcm", number)
    scan = read_volume(tmp_path / "cr0")
    mask = rng.integers(0, 3, scan.grid.shape)
    path = write_mask(tmp_path / "m.dcm", mask, scan, form="dicom-seg")
    np.testing.assert_array_equal(lay_mask(path, scan).ids, mask)
    assert "ImagePositionPatient" not in str(pydicom.dcmread(path))
    assert read_volume(path).grid.shape == scan.grid.shape
    both = read_volume(tmp_path / "both")
    with pytest.raises(InputError, match="of images without a place holds one, this scan has 2"):
        write_mask(tmp_path / "n.dcm", np.ones(both.grid.shape, np.uint8), both, form="dicom-seg")
    for other in (
        read_volume(write_series(tmp_path / "ct", np.zeros(SHAPE, np.int16), PLACE)),
        read_volume(tmp_path / "cr1"),
    ):
        with pytest.raises(InputError, match="no place in the patient, and belongs to another"):
            lay_mask(path, other)


def test_nobody_is_named_on_the_way(tmp_path, capfd):
    """highdicom warns of names of patients as they are."""
    data = np.zeros(SHAPE, np.int16)
    write_series(tmp_path / "ct", data, PLACE, PatientName="SURNAMEMARK", PatientID="IDMARK")
    scan = read_volume(tmp_path / "ct")
    path = write_mask(tmp_path / "m.dcm", scan.grid.to_array(BALL), scan)
    lay_mask(path, scan)
    read_volume(path)
    said = "".join(capfd.readouterr())
    assert "SURNAMEMARK" not in said
    assert "Warning" not in said
