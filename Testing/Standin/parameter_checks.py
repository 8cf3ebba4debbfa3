"""What a member of a parameter node may be annotated with."""

from dataclasses import dataclass
from typing import Any


class Validator:
    """Raises ValueError for a value that must not be."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Default:
    """The value of a member that has not been set."""

    value: Any


@dataclass(frozen=True)
class WithinRange(Validator):
    """From a minimum to a maximum; sliders take their ends from it."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass(frozen=True)
class Minimum(Validator):
    """Not below."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass(frozen=True)
class Maximum(Validator):
    """Not above."""

    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass(frozen=True)
class Choice(Validator):
    """One of a list; combo boxes take their entries from it."""

    choices: Any

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


@dataclass(frozen=True)
class Exclude(Validator):
    """None of a list."""

    excludedValues: Any

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value must not be one of {self.excludedValues}, is {value}")


@dataclass(frozen=True)
class Decimals:
    """How many decimals a spin box shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """The step of a spin box."""

    value: float
