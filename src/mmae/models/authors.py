"""Names of the authors' parameters (astrodatalab/himes_2025, modules.py) and ours.

With this table their weights load into `PaperMMAE`. A name is mapped by its longest prefix here;
what follows it is the same in both.
"""

PREFIXES = {
    "img_embed.proj.": "projections.image.",
    "img_embed.pos_embed": "positions.image",
    "spec_embed.linear.": "projections.spectrum.",
    "spec_embed.pos_embed": "positions.spectrum",
    "spec_embed.norm.": "norms.spectrum.",
    "img_encoder.encoder.layers.": "encoders.image.layers.",
    "img_encoder.norm.": "encoders.image.norm.",
    "spec_encoder.encoder.layers.": "encoders.spectrum.layers.",
    "spec_encoder.norm.": "encoders.spectrum.norm.",
    "cross_attention_layers.": "fusion.",
    "cls_token_img": "pools.image.query",
    "cls_token_spec": "pools.spectrum.query",
    "img_pool.": "pools.image.attention.",
    "spec_pool.": "pools.spectrum.attention.",
    "img_decoder.": "decoders.image.",
    "spec_decoder.": "decoders.spectrum.",
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
