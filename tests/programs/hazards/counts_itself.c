/* Hazard: a program that counts its own threads, descriptors below 100, children and signal handlers,
 * and names its threads: it must find what it made, and nothing else. */
#include "hazard.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

static int entries(const char *folder) {
    DIR *open_folder = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        count += entry->d_name[0] != '.' && atoi(entry->d_name) > dirfd(open_folder);
    closedir(open_folder);
    return count;
}

static void *wait_here(void *barrier) {
    char name[16] = "";
    prctl(PR_SET_NAME, "named");
    free(take(50 * KIB, 1));
    pthread_getname_np(pthread_self(), name, sizeof name);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return strcmp(name, "named") == 0 ? (void *)1 : NULL;
}

int main(void) {
    pthread_barrier_t barrier;
    pthread_t threads[3];
    void *named;
    int handled = 0, fds = 0, names = 0;
    unsigned char *memory = take(3 * MIB, 1);
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, wait_here, &barrier);
    pthread_barrier_wait(&barrier);
    say("threads %d\n", entries("/proc/self/task"));
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &named);
        names += named != NULL;
    }
    for (int fd = 0; fd < 100; fd++)
        fds += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    for (int number = 1; number < 32; number++) {
        struct sigaction action;
        handled += sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
                   action.sa_handler != SIG_IGN;
    }
    say("named %d descriptors %d handlers %d children %d\n", names, fds, handled,
        waitpid(-1, NULL, WNOHANG) < 0 ? 0 : 1);
    free(memory);
    return 0;
}
