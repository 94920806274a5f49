"""What every run shares: hooks, logging, reproducibility."""

default_scope = 'sacl_mm'
custom_imports = dict(imports=['sacl_mm'], allow_failed_imports=False)  # for other libraries' tools

runner_type = 'sacl_mm.ResumableRunner'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # Ours: also in the middle of an epoch, every 30 minutes.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Beginnings of keys that a checkpoint need not fit.
    loading=dict(type='TolerantLoadingHook', allow=[]),
    evidence=dict(type='EvidenceHook'),  # does nothing where policies read none
    progress=dict(type='ProgressHook'),
    cpu=dict(type='CPUKernelsHook'),  # does nothing on GPUs
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=1800),
)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
