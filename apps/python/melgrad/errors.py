"""What goes wrong: each is one line that names the file, the setting or the operation first, and the exception of Python's
that fits."""


class Error(Exception):
    """Any of the others."""


class UsageError(Error, ValueError):
    """An argument, a setting or a recipe asks for something that does not exist."""


class InputError(Error, OSError):
    """A file or folder that is missing, unreadable, corrupt or of another kind."""


class OutputError(Error, OSError):
    """A result cannot be written: no space, no permission."""


class DeviceError(Error, RuntimeError):
    """The device is absent or failed, or was left behind by a fork."""


class DivergedError(Error, ArithmeticError):
    """Training produced a loss that is no number."""


class InternalError(Error, RuntimeError):
    """A broken promise inside melgrad."""
