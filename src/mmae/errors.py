"""The one error that users see: a sentence that names file, key, found and expected."""


class InputError(Exception):
    """Something that the user gave is wrong; the message is one sentence.

    Parameters
    ----------
    where : str or path
        The file (or the config, or the argument) at fault.
    problem : str, optional
        What is wrong, when "found" and "expected" do not tell it.
    key : str, optional
        Dataset, column, HDU or config key.
    found, expected : object, optional
        What was there and what should have been.
    """

    def __init__(
        self,
        where: object,
        problem: str = "",
        *,
        key: str | None = None,
        found: object = None,
        expected: object = None,
    ):
        words = [problem] if problem else []
        if found is not None:
            words.append(f"found {found}")
        if expected is not None:
            words.append(f"expected {expected}")
        subject = f"{where}: {key}" if key else str(where)
        # without words it comes from another process, whole
        super().__init__(" ".join((f"{subject}: {', '.join(words)}" if words else subject).split()))
