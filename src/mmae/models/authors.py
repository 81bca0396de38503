"""Names of the authors' parameters (astrodatalab/himes_2025, modules.py) and ours.

With this table their weights load into `PaperMMAE`. A name is mapped by its longest prefix here;
what follows it is the same in both.
"""

PREFIXES = {
    "img_embed.proj.": "image_projection.",
    "img_embed.pos_embed": "image_position",
    "spec_embed.linear.": "spectrum_projection.",
    "spec_embed.pos_embed": "spectrum_position",
    "spec_embed.norm.": "spectrum_norm.",
    "img_encoder.encoder.layers.": "image_encoder.layers.",
    "img_encoder.norm.": "image_encoder.norm.",
    "spec_encoder.encoder.layers.": "spectrum_encoder.layers.",
    "spec_encoder.norm.": "spectrum_encoder.norm.",
    "cross_attention_layers.": "fusion.",
    "cls_token_img": "image_pool.query",
    "cls_token_spec": "spectrum_pool.query",
    "img_pool.": "image_pool.attention.",
    "spec_pool.": "spectrum_pool.attention.",
    "img_decoder.": "image_decoder.",
    "spec_decoder.": "spectrum_decoder.",
    "redshift_head.": "redshift_head.",
}
INSIDE_FUSION = {
    ".cross_attn.": ".attention.",
    ".norm1.": ".norm_attention.",
    ".norm2.": ".norm_feed_forward.",
    ".ffn.": ".feed_forward.",
}


def our_name(authors_name: str) -> str:
    """Our name of one of the authors' parameters.

    Raises
    ------
    KeyError
        If the authors' model has no such parameter.
    """
    for prefix, ours in PREFIXES.items():
        if authors_name.startswith(prefix):
            rest = authors_name.removeprefix(prefix)
            if ours == "fusion.":
                for theirs, name in INSIDE_FUSION.items():
                    rest = rest.replace(theirs, name)
            return ours + rest
    raise KeyError(authors_name)
