/* python_layout.c - see python_layout.h. The offsets follow from CPython's headers: Include/cpython/code.h,
 * pystate.h and unicodeobject.h, Include/internal/pycore_frame.h; within a minor version they do not change.
 * From 3.13 on the interpreter tells most of them itself (_Py_DebugOffsets in pycore_runtime.h).
 */
#include "python_layout.h"

#include <string.h>

#include "symbol.h"

static const struct tp_python_layout tpi_layouts[] = {
    {.thread_cframe = 56,
     .current = 8,
     .frame_code = 32,
     .frame_previous = 48,
     .frame_instruction = 56,
     .frame_owner = 69,
     .code_filename = 112,
     .code_qualname = 128,
     .code_lines = 136,
     .code_first_line = 72,
     .code_instructions = 184,
     .code_version = 0,
     .text_ascii = 48,
     .text_compact = 72},
    {.thread_cframe = 56,
     .current = 0,
     .frame_code = 0,
     .frame_previous = 8,
     .frame_instruction = 56,
     .frame_owner = 70,
     .code_filename = 112,
     .code_qualname = 128,
     .code_lines = 136,
     .code_first_line = 68,
     .code_instructions = 192,
     .code_version = 92,
     .text_ascii = 40,
     .text_compact = 56},
    {.thread_cframe = 0,
     .current = 72,
     .frame_code = 0,
     .frame_previous = 8,
     .frame_instruction = 56,
     .frame_owner = 70,
     .code_filename = 112,
     .code_qualname = 128,
     .code_lines = 136,
     .code_first_line = 68,
     .code_instructions = 200,
     .code_version = 92,
     .text_ascii = 40,
     .text_compact = 56},
};

enum {
    TPI_FIRST_MINOR = 11,
    TPI_LAYOUTS = sizeof tpi_layouts / sizeof *tpi_layouts,
    TPI_TELLS_FROM = 13,
    TPI_FINAL = 0xf /* a release, as PY_VERSION_HEX has it */
};

/* What _PyRuntime begins with in 3.13: words, by their number. */
enum {
    TPI_TOLD_COOKIE = 0,
    TPI_TOLD_VERSION = 1,
    TPI_TOLD_FREE_THREADED = 2,
    TPI_TOLD_CURRENT_FRAME = 23,
    TPI_TOLD_FRAME_PREVIOUS = 29,
    TPI_TOLD_FRAME_CODE = 30,
    TPI_TOLD_FRAME_INSTRUCTION = 31,
    TPI_TOLD_FRAME_OWNER = 33,
    TPI_TOLD_FILENAME = 35,
    TPI_TOLD_QUALNAME = 37,
    TPI_TOLD_LINES = 38,
    TPI_TOLD_FIRST_LINE = 39,
    TPI_TOLD_INSTRUCTIONS = 43,
    TPI_TOLD_TEXT_STATE = 68,
    TPI_TOLD_TEXT_ASCII = 70,
    TPI_TOLD_WORDS = 72
};

/* Does what the interpreter tells of itself agree with the table? */
static bool tpi_agrees(const struct tp_python_layout *at, const uint64_t *told) {
    const struct {
        uint64_t told, known;
    } pairs[] = {
        {told[TPI_TOLD_CURRENT_FRAME], at->current},
        {told[TPI_TOLD_FRAME_PREVIOUS], at->frame_previous},
        {told[TPI_TOLD_FRAME_CODE], at->frame_code},
        {told[TPI_TOLD_FRAME_INSTRUCTION], at->frame_instruction},
        {told[TPI_TOLD_FRAME_OWNER], at->frame_owner},
        {told[TPI_TOLD_FILENAME], at->code_filename},
        {told[TPI_TOLD_QUALNAME], at->code_qualname},
        {told[TPI_TOLD_LINES], at->code_lines},
        {told[TPI_TOLD_FIRST_LINE], at->code_first_line},
        {told[TPI_TOLD_INSTRUCTIONS], at->code_instructions},
        {told[TPI_TOLD_TEXT_STATE], TP_PYTHON_TEXT_STATE},
        {told[TPI_TOLD_TEXT_ASCII], at->text_ascii},
    };
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].told != pairs[i].known) return false;
    return true;
}

static const char *tpi_check_told(const struct tp_object *object, const struct tp_python_layout *at,
                                  uint64_t version) {
    size_t size = 0;
    const uint64_t *told = tp_symbol_sized(object, "_PyRuntime", &size);
    if (told == NULL || size < TPI_TOLD_WORDS * sizeof *told ||
        memcmp(&told[TPI_TOLD_COOKIE], "xdebugpy", sizeof *told) != 0 || told[TPI_TOLD_VERSION] != version)
        return "it does not say where it keeps things";
    if (told[TPI_TOLD_FREE_THREADED] != 0) return "it is a free-threaded build";
    return tpi_agrees(at, told) ? NULL : "it keeps things elsewhere than its version does";
}

static bool tpi_find_symbols(const struct tp_object *object, struct tp_python *python) {
    void *finalizing = tp_symbol_find(object, "Py_IsFinalizing");
    if (finalizing == NULL) finalizing = tp_symbol_find(object, "_Py_IsFinalizing");
    *(void **)&python->finalizing = finalizing;
    python->code_type = (uintptr_t)tp_symbol_find(object, "PyCode_Type");
    python->text_type = (uintptr_t)tp_symbol_find(object, "PyUnicode_Type");
    python->bytes_type = (uintptr_t)tp_symbol_find(object, "PyBytes_Type");
    return finalizing != NULL && python->code_type != 0 && python->text_type != 0 && python->bytes_type != 0;
}

enum tp_python_found tp_python_find(const struct tp_object *object, struct tp_python *python,
                                    const char **why) {
    *(void **)&python->thread_state = tp_symbol_find(object, "PyGILState_GetThisThreadState");
    if (python->thread_state == NULL) return TP_PYTHON_NONE;
    const unsigned long *version = tp_symbol_find(object, "Py_Version"); /* 3.11 and later */
    unsigned major = version != NULL ? *version >> 24 : 0, minor = version != NULL ? *version >> 16 & 255 : 0;
    if (major != 3 || minor < TPI_FIRST_MINOR || minor >= TPI_FIRST_MINOR + TPI_LAYOUTS ||
        (*version >> 4 & 15) != TPI_FINAL)
        *why = "it is no release of 3.11, 3.12 or 3.13";
    else if (sizeof(void *) != 8)
        *why = "it is no 64-bit one";
    else if (tp_symbol_find(object, "_Py_NegativeRefcount") != NULL)
        *why = "it is a debug build";
    else if (!tpi_find_symbols(object, python))
        *why = "it does not export what is needed";
    else {
        python->at = tpi_layouts[minor - TPI_FIRST_MINOR];
        *why = minor >= TPI_TELLS_FROM ? tpi_check_told(object, &python->at, *version) : NULL;
    }
    return *why == NULL ? TP_PYTHON_KNOWN : TP_PYTHON_STRANGE;
}
