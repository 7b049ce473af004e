"""The native model's parts that tests reach past the simulator: its caches alone, its chains, its fork."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import cffi

from tierprof.base.native import native_path
from tierprof.models.timing.simulator import Access

_DECLARATIONS = """
struct tpm_access { uint64_t pc; uint8_t kind, load; uint16_t bytes; uint8_t rest[48]; };
struct tpm_outcome {
    uint8_t answer, node_class, translation, pad; uint16_t tlb1_misses, walks, l1_misses, l2_misses, by_class[4], prefetched_lines,
    prefetched_used, read_blocks;
};
struct tpm_host { void *get, *put; bool (*write)(void *, const void *, size_t); void *context; uint32_t pid; };
struct tpm_recorder *tpm_recorder_new(uint32_t pid);
struct tpm_host *tpm_recorder_host(struct tpm_recorder *recorder);
bool tpm_sim_fork(void *sim, const struct tpm_host *host);
void tpm_recorder_free(struct tpm_recorder *recorder);
size_t tpm_config_size(void);
bool tpm_config_parse(void *config, const char *text, size_t bytes, char *why, size_t why_bytes);
typedef void tpm_written(void *context, uint32_t object, bool new_block);
void *tpm_caches_new(const void *config, const void *host, tpm_written *written, void *context);
void tpm_caches_free(void *caches);
void tpm_caches_access(void *caches, uint32_t core, uint64_t address, const struct tpm_access *access, uint32_t object,
                       struct tpm_outcome *out);
void tpm_caches_drain(void *caches, uint32_t core);
struct tpm_miss { uint64_t waits; uint32_t object, node_class; };
struct tpx_node { uint32_t object; uint8_t chain, node_class; uint16_t count; };
void *tpm_chains_new(const void *host);
void tpm_chains_free(void *chains, const void *host);
uint32_t tpm_chains_find(void *chains, const struct tpm_miss *misses, uint32_t n_misses, struct tpx_node nodes[16], bool *folded);
"""


@cache
def library() -> tuple[cffi.FFI, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi, ffi.dlopen(str(native_path("libtierprof_model.so")))


class Caches:
    """The caches alone: what one access finds, and which lines it has written to memory."""

    def __init__(self, config: Mapping[str, int]) -> None:
        self.ffi, self.library = library()
        text = "".join(f"{name} {value}\n" for name, value in config.items()).encode()
        parsed = self.ffi.new("char[]", self.library.tpm_config_size())
        assert self.library.tpm_config_parse(parsed, text, len(text), self.ffi.new("char[]", 256), 256)
        self.recorder = self.library.tpm_recorder_new(0)
        self.written: list[tuple[int, bool]] = []
        self._callback = self.ffi.callback("tpm_written", lambda _, number, new_block: self.written.append((number, new_block)))
        self.caches = self.library.tpm_caches_new(parsed, self.recorder, self._callback, self.ffi.NULL)

    def access(self, core: int, address: int, access: Access, number: int) -> Any:
        given = self.ffi.new("struct tpm_access *", {"pc": access.pc, "kind": access.kind, "bytes": access.bytes})
        out = self.ffi.new("struct tpm_outcome *")
        self.library.tpm_caches_access(self.caches, core, address, given, number, out)
        return out

    def drain(self, core: int) -> None:
        self.library.tpm_caches_drain(self.caches, core)

    def close(self) -> None:
        self.library.tpm_caches_free(self.caches)
        self.library.tpm_recorder_free(self.recorder)
