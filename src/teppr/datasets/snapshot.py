"""A dataset version on disk: Parquet tables and `dataset.json`; all that training needs, and no database.

    <home>/datasets/<name>/<version>/
        dataset.json          name, version, problem, labels, filters, seed, counts, per-split tables, parent files
        images.parquet        one row an image
        annotations.parquet   one row a region

The version is the first twelve digits of the content's hash: the same inputs give the same bytes.
"""
