"""What must be so before a file is imported: this account can read it, and the model knows it."""

from pathlib import Path

from edaphon.acquire.file_pieces import SecretFiles, files_of
from edaphon.acquire.imports import why_no_rows
from edaphon.service.prerequisites import account_name
from edaphon_drivers.outside import open_file
from edaphon_drivers.sheets import Sheet

__all__ = ["why_not_taken"]


def why_not_taken(file: Path, sheet: Sheet | None, secrets: SecretFiles) -> str | None:
    """None where nothing speaks against it; without a sheet its lines are not looked at."""
    account = account_name()
    try:
        found, problem = files_of([str(file)], None, secrets)
        if problem:
            return problem
        if not found:
            return (
                f"{file}: expected a file, the account {account} of the service finds none there;"
                " it does not see /home, /root and the /tmp of others"
            )
        open_file(file, file.parent).close()
        why = why_no_rows(file, sheet) if sheet is not None else None
    except OSError as error:
        return (
            f"{file}: expected a file that the account {account} of the service can read, got"
            f" {error.strerror}; for example: setfacl -m u:{account}:r {file}"
        )
    if why is None:
        return None
    assert sheet is not None  # noqa: S101  without one nothing was looked at
    return f"{file}: expected rows of {sheet.title}, got none{why}\n--force takes it all the same"
