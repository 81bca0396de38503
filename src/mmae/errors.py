"""The one error that users see: a sentence that names file, key, found and expected."""

MOST_WORDS = 500
"""Characters of what somebody else's exception says."""


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


def is_foreseen(error: BaseException) -> bool:
    """Whether an exception is no defect: bad input, the system's, or too little memory."""
    return isinstance(error, InputError | OSError) or _is_of_memory(error)


def in_one_sentence(error: BaseException) -> str:
    """What any exception says, in one line.

    Parameters
    ----------
    error : BaseException
        An InputError has its sentence; the system's errors are told by file and reason; of what
        nobody foresaw, the kind is named.
    """
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    words = " ".join(str(error).split())
    if len(words) > MOST_WORDS:
        words = f"{words[:MOST_WORDS]}..."
    if _is_of_memory(error):
        return f"memory: found too little, expected sizes in config and data that fit ({words})"
    return f"unforeseen {type(error).__name__} ({words}); mmae --traceback tells where it arose"


def _is_of_memory(error: BaseException) -> bool:
    """Whether it says that there is too little memory, which torch does with a RuntimeError."""
    words = ("can't allocate memory", "out of memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)
