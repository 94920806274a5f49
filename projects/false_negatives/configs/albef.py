"""Pre-training in the embedded world as ALBEF does it, with a momentum teacher and a queue."""

_base_ = ['./pretrain.py']

model = dict(queue_size=1024, momentum=dict(decay=0.98, mlm_distillation=0.4, ramp=1 / 8))
