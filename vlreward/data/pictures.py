"""The images of a row while it is read: their names, which one the gold lies in, and its size."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from vlreward._text import short
from vlreward.data.errors import BadRow, DataError
from vlreward.data.framed import FramedGold
from vlreward.data.image_values import RowImages, image_names, is_address, is_kept
from vlreward.data.images import ImageSource, image_size
from vlreward.data.rows import RawRow
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.schema import Fields
from vlreward.types import Gold

__all__ = ["Pictures"]


@dataclass(slots=True)
class Pictures:
    """What is known of the images of one source of rows; see `vlreward.data.load`."""

    images: RowImages
    read_sizes: bool
    on_missing: str
    _kinds: set[str] = field(default_factory=set, init=False)
    _sizes: dict[str, Size] = field(default_factory=dict, init=False)

    def found(self) -> ImageSource | None:
        """Where the images of the rows are; None where names are relative to nothing known."""
        folder = self.images.folder
        if self._kinds <= {"file", "absolute"} and folder is not None:
            return folder
        if "file" in self._kinds and folder is None:
            return None
        return self.images if self._kinds else None

    def named(
        self, raw: RawRow, fields: Fields, gold: FramedGold
    ) -> tuple[tuple[str, ...], str | None]:
        """The names of the row's images, and of the one that the gold lies in.

        Args:
            raw: The row.
            fields: What was read of it.
            gold: Its gold; one that was packed knows its image, and a box may say it.

        Raises:
            BadRow: If there is no image where one is named, or nothing says which one is meant.
        """
        try:
            names = tuple(image_names(fields.image, raw.number))
            index = gold.image_index(raw.value, fields.image_index)
        except ValueError as error:
            raise BadRow(str(error)) from None
        for name in names:
            if is_address(name) and self.images.urls is None:
                raise BadRow(
                    f"expected an image file, got the address {short(name, 80)}: --allow-urls "
                    "downloads it"
                )
            kept = is_kept(name)
            if kept:
                self.images.rows.hold(raw)
            absolute = "absolute" if os.path.isabs(name) else "file"
            self._kinds.add("kept" if kept else "address" if is_address(name) else absolute)
        if not names:
            return (), None
        if index is None:
            if len(names) > 1 and gold.envelope.gold.located:
                raise BadRow(
                    f"expected 'image_index', which of the {len(names)} images the gold lies in, "
                    "from 0: beside the box, as a column, or --columns image_index=COLUMN"
                )
            index = 0
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(names):
            raise BadRow(f"image_index: expected 0 to {len(names) - 1}, got {short(index, 40)}")
        return names, names[index]

    def size(
        self, fields: Fields, gold: Gold, name: str | None, images: int
    ) -> tuple[Size | None, str | None]:
        """The size of the image that the gold lies in, if it is known, and a remark.

        Raises:
            BadRow: If the row says no size, or the image cannot be read where it must be.
        """
        declared = None
        if fields.image_size is not None and images <= 1:
            try:
                declared = Size.from_sequence(fields.image_size)
            except ValueError as error:
                raise BadRow(f"width, height: {error}") from None
        lacking = declared is None and gold.located
        if name is None or not (lacking or self.read_sizes):
            return declared, None
        framed = getattr(gold, "frame", Frame.ORIGINAL_PX) is not Frame.ORIGINAL_PX
        size = self._sizes.get(name)
        if size is None:
            try:
                source = self.images.source(name)
                if isinstance(source, bytes) or source.is_file():
                    size = self._sizes[name] = image_size(source)
            except DataError as error:
                known = self.images.folder is not None or is_kept(name) or is_address(name)
                if known and (self.read_sizes or framed):
                    raise BadRow(str(error), "bad_image") from None
        if size is None:  # what is missing, or nobody needs yet, is reported elsewhere
            if lacking and framed and self.on_missing == "skip":
                raise BadRow(f"no image {name!r}", "missing_image")
            return declared, None
        differs = declared is not None and declared != size
        remark = f"declared {tuple(declared or ())}, but the image {name!r} has {tuple(size)}"
        return size, remark if differs else None
