"""The C hierarchy alone (native/model/cache.h, config.h, reuse.h), one access at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

import cffi

from tierprof.base.native import native_path

from .parts import Access

_FFI = cffi.FFI()
_FFI.cdef(
    """
struct tpm_host { void *get, *put, *write, *context; uint32_t pid; };
struct tpm_recorder { struct tpm_host host; unsigned char *bytes; size_t used, room; };
struct tpm_recorder *tpm_recorder_new(uint32_t pid);
void tpm_recorder_free(struct tpm_recorder *recorder);

size_t tpm_config_size(void);
bool tpm_config_parse(uint64_t *config, const char *text, size_t bytes, char *why, size_t why_bytes);

struct tpm_flows { const void *flow; uint32_t count; };
struct tpm_access {
    uint64_t pc; uint8_t kind, load; uint16_t bytes; struct tpm_flows address, data; void *range; uint32_t generation, pad;
};
struct tpm_outcome {
    uint8_t answer, node_class, translation, pad;
    uint16_t tlb1_misses, walks, l1_misses, l2_misses, by_class[4], prefetched_lines, prefetched_used, read_blocks;
};
typedef void tpm_written(void *context, uint32_t object, bool new_block);
struct tpm_caches *tpm_caches_new(const uint64_t *config, const struct tpm_host *host, tpm_written *written, void *context);
void tpm_caches_free(struct tpm_caches *caches);
bool tpm_caches_is_hit(const struct tpm_caches *caches, uint32_t core, uint64_t address, const struct tpm_access *access);
void tpm_caches_access(struct tpm_caches *caches, uint32_t core, uint64_t address, const struct tpm_access *access,
                       uint32_t object, struct tpm_outcome *out);
void tpm_caches_drain(struct tpm_caches *caches, uint32_t core);

struct tpx_reuse { uint32_t object, granule_bytes; double cold, cold_writes, bins[48]; };
struct tpm_reuse *tpm_reuse_new(uint32_t granule_bytes, uint64_t every, uint64_t seed, const struct tpm_host *host);
void tpm_reuse_free(struct tpm_reuse *reuse);
void tpm_reuse_touch(struct tpm_reuse *reuse, uint64_t granule, uint32_t object, bool counted);
uint32_t tpm_reuse_count(const struct tpm_reuse *reuse);
const struct tpx_reuse *tpm_reuse_histogram(const struct tpm_reuse *reuse, uint32_t index);
"""
)
_LIBRARY: Any = _FFI.dlopen(str(native_path("libtierprof_model.so")))

_SUMS = ("tlb1_misses", "walks", "l1_misses", "l2_misses", "prefetched_lines", "prefetched_used", "read_blocks")


class ConfigError(Exception):
    """What tpm_config_parse says."""


def parse_config(text: str, room: int = 256) -> list[int]:
    """The fields' values in the order of config.h."""
    config = _FFI.new("uint64_t[]", _LIBRARY.tpm_config_size() // 8)
    why = _FFI.new("char[]", max(room, 1))
    encoded = text.encode()
    if not _LIBRARY.tpm_config_parse(config, encoded, len(encoded), why, room):
        raise ConfigError(_FFI.string(why).decode())
    return list(config)


class Host:
    """The libc under the simulator."""

    def __init__(self) -> None:
        self._recorder = _FFI.gc(_LIBRARY.tpm_recorder_new(1), _LIBRARY.tpm_recorder_free)
        self.address = _FFI.addressof(self._recorder, "host")


class Caches:
    """struct tpm_caches; `written` lists what went to memory since it was last taken."""

    def __init__(self, config: Mapping[str, int]) -> None:
        values = parse_config("".join(f"{name} {value}\n" for name, value in config.items()))
        self.written: list[tuple[int, bool]] = []
        self._host = Host()
        self._hears = _FFI.callback("tpm_written", lambda _, owner, new_block: self.written.append((owner, new_block)))
        made = _LIBRARY.tpm_caches_new(_FFI.new("uint64_t[]", values), self._host.address, self._hears, _FFI.NULL)
        assert made
        self._caches = _FFI.gc(made, _LIBRARY.tpm_caches_free)
        self._out = _FFI.new("struct tpm_outcome *")
        self._access = _FFI.new("struct tpm_access *")

    def _describe(self, access: Access) -> tuple[int, int, Any]:
        self._access.bytes, self._access.kind, self._access.pc = access.size, access.kind, access.pc
        return access.core, access.address, self._access

    def is_hit(self, access: Access) -> bool:
        return _LIBRARY.tpm_caches_is_hit(self._caches, *self._describe(access))

    def access(self, access: Access) -> dict[str, Any]:
        _LIBRARY.tpm_caches_access(self._caches, *self._describe(access), access.owner, self._out)
        out = self._out
        return {
            "answer": out.answer,
            "node_class": out.node_class,
            "translation": out.translation,
            "by_class": list(out.by_class),
            **{name: getattr(out, name) for name in _SUMS},
        }

    def drain(self, core: int) -> None:
        _LIBRARY.tpm_caches_drain(self._caches, core)


class Reuse:
    """struct tpm_reuse."""

    def __init__(self, every: int = 1, seed: int = 1, granule_bytes: int = 64) -> None:
        self._host = Host()
        self._reuse = _FFI.gc(_LIBRARY.tpm_reuse_new(granule_bytes, every, seed, self._host.address), _LIBRARY.tpm_reuse_free)

    def touch(self, granule: int, owner: int, counted: bool = True) -> None:
        _LIBRARY.tpm_reuse_touch(self._reuse, granule, owner, counted)

    def histograms(self) -> Iterator[tuple[int, float, list[float]]]:
        """Object, first uses, uses by the logarithm of their distance."""
        for index in range(_LIBRARY.tpm_reuse_count(self._reuse)):
            histogram = _LIBRARY.tpm_reuse_histogram(self._reuse, index)
            yield histogram.object, histogram.cold, list(histogram.bins)
