"""What COCO's objects may hold, in one place for reading and writing."""

IMAGE_KEYS = frozenset({"id", "file_name", "width", "height", "size_bytes", "file_attributes"})
"""Keys of an image that records have a place for; any other is one of its attributes."""

REGION_KEYS = frozenset(
    {
        *("id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd"),
        *("attributes", "shape", "label_attribute"),
    }
)
"""Keys of an annotation that regions have a place for; any other is one of its attributes.

Three are no words of COCO: `attributes` is CVAT's; `shape` holds, in the words of VIA, what COCO cannot draw (circle,
ellipse, point, polyline) and `label_attribute` the name of the attribute that a label was the value of.
"""

TOP_KEYS = frozenset({"score", "ignore", "caption", "keypoints", "num_keypoints", "track_id", "occluded", "truncated"})
"""Attributes that tools look for in the annotation itself, not among its `attributes`."""
