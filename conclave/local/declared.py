"""What is said of a value that is not as its column declares, and what to do: the same words, whoever reads the file."""

from conclave.ir.types import Date, Decimal, Double, Field, Varchar
from conclave.local.format import FileFormat

NOT_NULL = ("is NULL but declared not null", "fill it in or declare it nullable")


def wrong_type(column: Field, file_format: FileFormat) -> tuple[str, str]:
    """Return what is wrong with a value that is none of the column's type, and what to do."""
    what = f"is no {column.type}"
    match column.type:
        case Varchar(max_bytes):
            what = f"is longer than {max_bytes} bytes of UTF-8, or holds a zero byte"
        case Decimal(precision, scale):
            what = f"is no {column.type}: at most {precision} digits, {scale} of them after the point"
        case Double():
            what = "is no finite double"
        case Date():
            what = "is no date YYYY-MM-DD of the years 1 to 9999"
    fix = "correct the file or declare another type"
    if file_format.is_text:
        fix += ", or declare the spelling of NULL if that is what it means"
    return what, fix


def repeated(key: tuple[Field, ...]) -> tuple[str, str]:
    """Return what is wrong with rows that agree in what is declared unique, and what to do."""
    if len(key) == 1:
        what = "repeats an earlier row's value but the column is declared unique"
        return what, "remove the repeated row or do not declare it unique"
    what = f"agrees with an earlier row in {', '.join(f.name for f in key)}, which are declared a key together"
    return what, "remove the repeated row or do not declare the key"
