"""What torch was asked to do when it took memory."""

from tierprof.profiler.names import Frame
from tierprof.profiler.operations import operation_of
from tierprof.profiler.python_frames import PythonFrame
from tierprof.profiler.sites import Heap, site_names


def test_the_operation_is_the_outermost_before_the_backward_node() -> None:
    forward = ["libc10.so+0x1 c10::alloc_cpu", "l.so+0x2 at::_ops::empty_memory_format::call", "l.so+0x3 at::_ops::index_Tensor::call"]
    assert operation_of(forward) == "index_Tensor"
    backward = [*forward, "l.so+0x4 torch::autograd::generated::IndexBackward0::apply", "l.so+0x5 at::_ops::other::call"]
    assert operation_of(backward) == "index_Tensor in IndexBackward0"
    assert operation_of(["libc10.so+0x1 c10::alloc_cpu"]) == operation_of(None) == ""


def test_a_line_is_told_with_the_operation_behind_it() -> None:
    line = PythonFrame("/home/me/gcn.py", 16, "GCN.forward", 10)
    stack = [Frame("/l.so", 1, "c10::alloc_cpu(unsigned long)", "", 0), Frame("/l.so", 2, "at::_ops::mm::call(at::Tensor const&)", "", 0)]
    heap = Heap(keys=["1" * 32] * 2, stacks=[[], []], python=[[line], [line]])
    assert site_names(heap, [stack, []]) == ["gcn.py:16 in forward: mm", "gcn.py:16 in forward"]
