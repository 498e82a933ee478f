// Loaded before a program: the system's look-up of hang.test never ends there, and that of any
// other name is the system's own.
#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

#include <string_view>

extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo* hints,
                           addrinfo** found) {
  using function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto system = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  while (host != nullptr && std::string_view(host) == "hang.test") ::pause();
  return system(host, port, hints, found);
}
