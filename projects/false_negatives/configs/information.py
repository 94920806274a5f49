"""`world.py`, which also logs what the model knows of false and of true negatives."""

_base_ = ['./world.py']

custom_imports = dict(
    imports=['sacl_mm', 'projects.false_negatives.encoded_world', 'projects.false_negatives.information'],
    allow_failed_imports=False,
)
custom_hooks = [dict(type='NegativeInformationHook', relevance=dict(type='ShapeWorldRelevance'))]
