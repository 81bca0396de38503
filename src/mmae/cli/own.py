"""Commands for a user's own galaxies."""

from pathlib import Path

import click

from mmae.cli.options import columns_option, output_option, path_argument, path_option


@click.command()
@path_argument("images", nargs=-1, required=True, metavar="IMAGE...")
@path_option("--positions", "Table with ra and dec in degrees: CSV, ECSV, FITS, VOTable, Parquet.")
@columns_option
@output_option("--galaxiesml", "HDF5 to write, in GalaxiesML's layout.")
def cutouts(
    images: tuple[Path, ...], positions: Path, columns: dict[str, str], galaxiesml: Path
) -> None:
    """Cut galaxies out of coadded HSC images, for `mmae predict`.

    Each IMAGE is a FITS file with one or more bands of a patch, or a folder of such files; bands,
    zero points and positions are read from their headers. The table's column object_id names
    galaxies, else the number of their row does; its other numbers, such as specz_redshift and
    g_cmodel_mag, are copied. Of patches that overlap, the one in which a galaxy is farthest from an
    edge is taken. Pixels that no image has are NaN.
    """
    from mmae.evaluation.own_galaxies import of_table
    from mmae.survey.coadds import check_positions, cut, find_images
    from mmae.survey.cutouts import all_files
    from mmae.survey.galaxiesml import DEC, RA, write_galaxiesml

    table = of_table(positions, columns).columns
    check_positions(positions, table)
    planes = find_images(all_files(images))
    write_galaxiesml(galaxiesml, table, cut(planes, table[RA], table[DEC]))
