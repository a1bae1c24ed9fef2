from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_dim.data.cohort import read_cohort
from napari_dim.errors import InputError

DATA = Path(os.environ.get("NAPARI_DIM_DATA", Path(__file__).parents[3] / "shared" / "data"))
HEADER = "image,labels,slices,site,split\n"


@pytest.fixture
def write(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.nii.gz", "b.nii.gz", "c.nii.gz", "m.nii.gz", "deep/d.nii"):
        (tmp_path / name).touch()

    def make(text, encoding="utf-8"):
        path = tmp_path / "cohort.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return make


def test_a_cohort_is_read(write, tmp_path):
    text = (
        HEADER + "a.nii.gz,m.nii.gz,3;1;8,A,train\nb.nii.gz,,,,train\n\n"
        "deep/d.nii,m.nii.gz,all,B,TEST\n"
    )
    cohort = read_cohort(write(text))
    first, second, third = cohort.cases
    assert (first.name, first.site, first.split, first.slices) == ("a", "A", "train", (1, 3, 8))
    assert first.image == tmp_path / "a.nii.gz"
    assert first.labels == tmp_path / "m.nii.gz"
    assert (second.site, second.labels, second.slices) == ("", None, ())
    assert (third.name, third.slices, third.split) == ("d", "all", "test")
    assert third.where == "cohort.csv row 5"
    assert cohort.split("test") == (third,)
    assert cohort.split("train") == (first, second)
    assert cohort.split("all") == cohort.cases


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEADER + "a.nii.gz,m.nii.gz,3;8,A,train\n", "utf-8-sig"),
        (HEADER.replace(",", ";") + 'a.nii.gz;m.nii.gz;"3;8";A;train\r\n', "utf-8"),
        (HEADER.replace(",", ";") + "a.nii.gz;m.nii.gz;3,8;A;train\r\n", "utf-8"),
        (HEADER.replace(",", "\t") + "a.nii.gz\tm.nii.gz\t3 8\tA\ttrain\n", "utf-8"),
        (' Image, LABELS ,slices,site,split,\na.nii.gz, m.nii.gz ,"3,8", A ,train,\n', "utf-8"),
        (HEADER.replace("\n", "\r\n") + "a.nii.gz,m.nii.gz,3;8,A,train\r\n,,,,\r\n", "utf-8"),
        ("sep=;\r\nimage;labels;slices;site;split\r\na.nii.gz;m.nii.gz;3,8;A;train\r\n", "utf-8"),
        ('"SEP=,",,,,\r\n' + HEADER + "a.nii.gz,m.nii.gz,3;8,A,train\r\n", "utf-8-sig"),
        ("sep=;\n" + HEADER + "a.nii.gz,m.nii.gz,3;8,A,train\n", "utf-8"),
        ("\n,,,,\n" + HEADER + "a.nii.gz,m.nii.gz,3;8,A,train\n\n", "utf-8"),
        ('image, labels, slices, site, split\na.nii.gz, "m.nii.gz", "3, 8" , A, train\n', "utf-8"),
        (",image,labels,slices,site,split\n0,a.nii.gz,m.nii.gz,3.0;8.0,A,train\n", "utf-8"),
        (HEADER.replace(",", "\t") + "a.nii.gz\tm.nii.gz\t3;8\tA\ttrain\r\n", "utf-16"),
        (HEADER.replace("\n", "\r") + "a.nii.gz,m.nii.gz,3;8,A,train\r", "utf-8"),
        (HEADER + "a.nii.gz,m.nii.gz,3;8,A,train\n", "utf-16-le"),
        (HEADER + "a.nii.gz,m.nii.gz,3;8,A,train\n", "utf-16-be"),
        (
            '"image,labels,slices,site,split"\r\n"a.nii.gz,m.nii.gz,""3,8"",A,train"\r\n',
            "utf-8",
        ),
        (
            '"image";"labels";"slices";"site";"split"\n"a.nii.gz";"m.nii.gz";"3;8";"A";"train"\n',
            "utf-8",
        ),
    ],
    ids=[
        "bom",
        "excel",
        "semicolon",
        "tab",
        "spaces",
        "crlf",
        "sep",
        "quoted sep",
        "wrong sep",
        "blank",
        "blanks",
        "pandas",
        "unicode text",
        "cr",
        "two bytes",
        "two bytes, large first",
        "rows in quotes",
        "all quoted",
    ],
)
def test_what_spreadsheets_make_of_it(write, text, encoding):
    (case,) = read_cohort(write(text, encoding)).cases
    assert (case.slices, case.site, case.split) == ((3, 8), "A", "train")
    assert case.labels is not None


def test_gaps_as_pandas_writes_them(write):
    text = (
        HEADER + "a.nii.gz,m.nii.gz,3.0,A,train\nb.nii.gz,nan,nan,B,train\nc.nii.gz,None,,,test\n"
    )
    cases = read_cohort(write(text)).cases
    assert [case.slices for case in cases] == [(3,), (), ()]
    assert [case.labels is None for case in cases] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("image;labels;slices;site;split\na.nii.gz;m.nii.gz;3;5;s;train\n", "as 3,5, or in quotes"),
        (HEADER + "a.nii.gz,m.nii.gz,3,5,s,train\n", "as 3;5, or in quotes"),
        ("image;labels;slices;site;split;age\na.nii.gz;m.nii.gz;3;5;s;train\n", "A semicolon sep"),
        ("image,labels,slices,site,split,age\na.nii.gz,m.nii.gz,3,5,s,test\n", "A comma separates"),
    ],
)
def test_slices_split_by_the_separator_are_explained(write, text, hint):
    with pytest.raises(InputError, match=hint):
        read_cohort(write(text))


def test_rows_are_counted_as_a_spreadsheet_shows_them(write):
    with pytest.raises(InputError, match="row 4: the split"):
        read_cohort(write("sep=,\n\n" + HEADER + "a.nii.gz,m.nii.gz,,A,train\nb.nii.gz,,,A,dev\n"))


def test_a_cohort_in_the_letters_of_windows_is_read_and_told(write, tmp_path):
    """Plain CSV, as a German or French Excel writes it."""
    (tmp_path / "Zürich.nii").touch()
    text = HEADER.replace(",", ";") + "Zürich.nii;m.nii.gz;3,8;Genève;train\r\n"
    cohort = read_cohort(write(text, "cp1252"))
    assert (cohort.cases[0].name, cohort.cases[0].site) == ("Zürich", "Genève")
    assert "save it as CSV UTF-8" in cohort.notes[0]
    assert read_cohort(write(text)).notes == ()
    (tmp_path / "cohort.csv").write_bytes(HEADER.encode() + b"a.nii.gz,,,\x81\xe4,train\n")
    with pytest.raises(InputError, match=r"not UTF-8 text\. Save it as CSV UTF-8"):
        read_cohort(tmp_path / "cohort.csv")


def test_a_workbook_is_no_cohort(tmp_path):
    (tmp_path / "c.csv").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(InputError, match="Save it as CSV UTF-8"):
        read_cohort(tmp_path / "c.csv")


def test_cases_of_one_name_are_called_by_their_folders(write, tmp_path):
    for name in ("deep/a.nii.gz", "deep/b.nii"):
        (tmp_path / name).touch()
    rows = "a.nii.gz,,,A,train\ndeep/a.nii.gz,,,A,test\nc.nii.gz,,,A,test\ndeep/b.nii,,,A,test\n"
    names = [case.name for case in read_cohort(write(HEADER + rows)).cases]
    assert names == ["a", "deep_a", "c", "b"]


def test_further_columns_are_kept_and_order_is_free(write):
    text = "split,age,site,slices,labels,image\ntrain,61,Köln,,,a.nii.gz\n"
    (case,) = read_cohort(write(text)).cases
    assert case.extra == {"age": "61"}
    assert case.site == "Köln"


def test_a_folder_can_be_an_image(write):
    (case,) = read_cohort(write(HEADER + "deep,,,A,train\n")).cases
    assert case.name == "deep"


def test_windows_paths(write):
    (case,) = read_cohort(write(HEADER + "deep\\d.nii,,,A,train\n")).cases
    assert case.name == "d"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cohort is empty"),
        ("\n\n", "cohort is empty"),
        (HEADER, "no cases"),
        ("image,labels,slices,site\na.nii.gz,,,A\n", "row 1: the column 'split' is missing"),
        ("image,image,labels,slices,site,split\n", "row 1: the column 'image' is there twice"),
        (HEADER + "x.nii.gz,,,A,train\n", "row 2: there is no file x.nii.gz"),
        (HEADER + ",,,A,train\n", "row 2: no image is named"),
        (HEADER + "a.nii.gz,x.nii.gz,,A,train\n", "row 2: there is no file x.nii.gz"),
        (HEADER + "a.nii.gz,,,A,train\n\nb.nii.gz,,,A,dev\n", "row 4: the split is 'dev'"),
        (HEADER + "a.nii.gz,,,A,\n", "row 2: the split is ''"),
        (HEADER + "a.nii.gz,,,A,train\n./a.nii.gz,,,A,train\n", "row 3: a.nii.gz is in row 2"),
        (HEADER + "a.nii.gz,m.nii.gz,3;x,A,train\n", "row 2: '3;x' are no slice numbers"),
        (HEADER + "a.nii.gz,m.nii.gz,-3,A,train\n", "row 2: '-3' are no slice numbers"),
        (HEADER + "a.nii.gz,m.nii.gz,1.5,A,train\n", "row 2: '1.5' are no slice numbers"),
        (HEADER + "a.nii.gz,m.nii.gz,²,A,train\n", "no slice numbers"),
        (HEADER + "a.nii.gz,m.nii.gz," + "9" * 30 + ",A,train\n", "no slice numbers"),
        (HEADER + '"a.nii.gz,,,A,train\n', "row 2: the quotes in this row are not closed"),
        (HEADER + "a.nii.gz,,3,A,train\n", "row 2: slices are listed but no labels file"),
        (HEADER + "a.nii.gz,,all,A,train\n", "row 2: slices are listed but no labels file"),
        (HEADER + "a.nii.gz,m.nii.gz,3,8,A,train\n", "row 2: there are 6 fields for 5 columns"),
        (HEADER + 'a.nii.gz,"m,,A,train\n', "row 2: "),
        (HEADER + "\0" * 9, "row 2: "),
        (HEADER + "x" * 5000 + ",,,A,train\n", "row 2: there is no file"),
    ],
)
def test_every_fault_is_one_line_with_file_and_row(write, text, message):
    with pytest.raises(InputError) as caught:
        read_cohort(write(text))
    assert message in str(caught.value)
    assert "cohort.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_cohort(tmp_path):
    for path, text in ((tmp_path / "none.csv", "No such file"), (tmp_path, "is a folder, not")):
        with pytest.raises(InputError, match=text):
            read_cohort(path)


def test_an_empty_split_is_an_error(write):
    cohort = read_cohort(write(HEADER + "a.nii.gz,,,A,train\n"))
    with pytest.raises(InputError, match="no test case"):
        cohort.split("test")
    with pytest.raises(InputError, match="no split 'dev'"):
        cohort.split("dev")


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
@pytest.mark.parametrize(
    ("name", "count"), [("left_atrium", 12), ("hippocampus", 40), ("fundus_disc", 210)]
)
def test_the_shared_cohorts(name, count):
    assert len(read_cohort(DATA / name / "cohort.csv").cases) == count
