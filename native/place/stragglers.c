/* stragglers.c - get_mempolicy and move_pages. */
#include "stragglers.h"

#include <linux/mempolicy.h>

#include "pages.h"
#include "policy.h"

static void *tpi_pages[TPI_STRAGGLER_PAGES];
static int tpi_wanted[TPI_STRAGGLER_PAGES], tpi_found[TPI_STRAGGLER_PAGES];

/* The nodes that the range's policy names; without one, those with processors. */
static bool tpi_policy_nodes(uintptr_t start, struct tpi_nodes *nodes) {
    int mode = MPOL_DEFAULT;
    *nodes = (struct tpi_nodes){{0}};
    if (syscall(SYS_get_mempolicy, &mode, nodes->words, TPI_NODES, start, MPOL_F_ADDR) != 0) return false;
    return tpi_nodes_count(nodes) > 0 || tpi_nodes_read(TPI_CPU_NODES, nodes);
}

/* With `nodes` moves the pages there, and in any case tells in tpi_found where they are; a negative number is
 * an errno: a page that is not there. */
static bool tpi_ask(size_t n_pages, const int *nodes) {
    return syscall(SYS_move_pages, 0, n_pages, tpi_pages, nodes, tpi_found,
                   nodes != NULL ? MPOL_MF_MOVE : 0) >= 0;
}

static bool tpi_is_stray(size_t page, const struct tpi_nodes *nodes) {
    return tpi_found[page] >= 0 && !tpi_nodes_has(nodes, (uint64_t)tpi_found[page]);
}

static size_t tpi_mark(size_t n_pages, const struct tpi_nodes *nodes, bool *strays) {
    size_t count = 0;
    for (size_t i = 0; i < n_pages; i++)
        count += strays[i] = tpi_is_stray(i, nodes);
    return count;
}

static int tpi_first_node(const struct tpi_nodes *nodes) {
    unsigned node = 0;
    while (node < TPI_NODES && !tpi_nodes_has(nodes, node))
        node++;
    return (int)node;
}

size_t tpi_stragglers(uintptr_t start, size_t size, bool *strays) {
    size_t n_pages = size / TPI_PAGE_BYTES, n_strays = 0;
    struct tpi_nodes nodes;
    for (size_t i = 0; i < n_pages; i++) {
        tpi_pages[i] = (void *)(start + i * TPI_PAGE_BYTES);
        strays[i] = false;
    }
    if (!tpi_policy_nodes(start, &nodes) || !tpi_ask(n_pages, NULL)) return 0;
    if (tpi_mark(n_pages, &nodes, strays) == 0) return 0;
    for (size_t i = 0; i < n_pages; i++)
        if (strays[i]) {
            tpi_pages[n_strays] = (void *)(start + i * TPI_PAGE_BYTES);
            tpi_wanted[n_strays++] = tpi_first_node(&nodes);
        }
    tpi_ask(n_strays, tpi_wanted);
    for (size_t i = 0; i < n_pages; i++)
        tpi_pages[i] = (void *)(start + i * TPI_PAGE_BYTES);
    return tpi_ask(n_pages, NULL) ? tpi_mark(n_pages, &nodes, strays) : n_strays;
}
