"""Whom the box knows: templates encrypted at rest, searched exactly, and answered for with a calibrated threshold."""

from vedette_face.gallery.errors import GalleryError
from vedette_face.gallery.gallery import Gallery
from vedette_face.gallery.keys import MasterKey, load_key
from vedette_face.gallery.search import Matches

__all__ = ["Gallery", "GalleryError", "MasterKey", "Matches", "load_key"]
