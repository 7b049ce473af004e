/* Hazard: calls that make the C library load others behind the program's back: iconv, locales, name service.
 */
#include "hazard.h"

#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>

int main(void) {
    size_t size = 100 * KIB, left = size, room = 4 * size;
    char *from = malloc(size), *to = malloc(room), *in = from, *out = to;
    memset(from, 'e', size);
    from[500] = (char)0xe9;
    iconv_t conversion = iconv_open("UTF-16LE", "ISO-8859-15");
    if (conversion == (iconv_t)-1) skip("the C library's converters are not installed");
    say("converted %zu", iconv(conversion, &in, &left, &out, &room));
    say(" left %zu made %zu\n", left, (size_t)(out - to));
    iconv_close(conversion);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    say("address %d", getaddrinfo("127.0.0.1", "80", &hints, &found));
    say(" length %u\n", found->ai_addrlen);
    freeaddrinfo(found);
    struct passwd *root = getpwuid(0);
    say("user %s\n", root != NULL ? root->pw_name : "none");
    locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    say("locale %d %s\n", locale != NULL, setlocale(LC_ALL, "C.UTF-8"));
    if (locale != NULL) freelocale(locale);
    free(from);
    free(to);
    return 0;
}
