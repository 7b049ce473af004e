/* folder.h - walks the names in a folder without opendir, which allocates. */
#ifndef TP_FOLDER_H
#define TP_FOLDER_H

#include <stdbool.h>

typedef bool tpi_folder_test(const char *name, const void *argument);

/* Is there a name of which the test is true? *complete: all names could be read. Uses static memory: one
 * mover at a time. */
bool tpi_folder_any(const char *path, tpi_folder_test *test, const void *argument, bool *complete);

#endif
