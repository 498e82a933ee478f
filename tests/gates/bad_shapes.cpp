// Coroutines that g++ 12 miscompiles or that the style forbids: coroutine_shapes.py must find each
// line marked `BAD`, and nothing else here. Never compiled into anything.
#include <initializer_list>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace {

struct aggregate {
  std::string text;
  int number = 0;
};

class value {
 public:
  value(std::string text, int number) : text_(std::move(text)), number_(number) {}

 private:
  std::string text_;
  int number_;
};

template <class F>
asio::awaitable<int> take_callable(F callable) {
  callable();
  co_return 1;
}
asio::awaitable<int> take_aggregate(aggregate) { co_return 2; }
asio::awaitable<int> take_value(value) { co_return 3; }
asio::awaitable<int> take_list(std::initializer_list<std::string>) { co_return 4; }
asio::awaitable<int> take_text(std::string) { co_return 5; }
int add(int a, const aggregate&) { return a; }

}  // namespace

asio::awaitable<int> bad(std::string text, bool flag) {
  int sum = 0;
  sum += co_await take_callable([text] { return text.size(); });                // BAD
  sum += co_await take_aggregate(aggregate{text, 1});                           // BAD
  sum += co_await take_aggregate({text, 1});                                    // BAD
  sum += co_await take_list({text, text});                                      // BAD
  sum += co_await (flag ? take_text(text) : take_value(value(text, 1)));        // BAD
  sum += flag ? co_await take_text(text) : 0;                                   // BAD
  sum += co_await take_text(flag ? text : std::string("other"));                // BAD
  sum += add(co_await take_text(text), aggregate{text, 2});                     // BAD
  auto executor = co_await asio::this_coro::executor;
  co_await asio::co_spawn(                                                      // BAD
      executor, [text]() -> asio::awaitable<void> { co_return; }, asio::use_awaitable);
  co_return sum;
}

// The same, said so that it is harmless.
asio::awaitable<int> good(std::string text, bool flag) {
  int sum = 0;
  auto callable = [text] { return text.size(); };
  sum += co_await take_callable(std::move(callable));
  aggregate named{text, 1};
  sum += co_await take_aggregate(std::move(named));
  sum += co_await take_value(value(text, 1));
  if (flag) {
    sum += co_await take_text(text);
  } else {
    sum += co_await take_text("other");
  }
  const int extra = flag ? 1 : 2;
  int counter = 0;
  sum += co_await take_callable([&counter] { return ++counter; });
  auto executor = co_await asio::this_coro::executor;
  auto child = [text, flag](int limit) -> asio::awaitable<void> {
    for (int i = 0; i < (flag ? limit : 1); ++i) {
      co_await take_text(text);
    }
  };
  co_await asio::co_spawn(executor, child(3), asio::use_awaitable);
  asio::co_spawn(
      executor, [text]() -> asio::awaitable<void> { co_await take_text(text); }, asio::detached);
  co_return sum + extra;
}

// A template is seen where it is instantiated.
template <class T>
asio::awaitable<int> bad_template(T text) {
  co_return co_await take_aggregate({text, 1});  // BAD
}
template asio::awaitable<int> bad_template<std::string>(std::string);
