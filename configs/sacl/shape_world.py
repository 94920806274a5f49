_base_ = [
    '../_base_/models/sacl_tiny.py',
    '../_base_/datasets/shape_world.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]
