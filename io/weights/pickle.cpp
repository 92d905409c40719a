#include "io/weights/pickle.h"

#include <cstring>
#include <map>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

constexpr int kDeepest = 16, kMostValues = 1 << 20;  // of dictionaries, each counted where it stands

// A value; what holds others holds their numbers, as they may be changed after they were remembered.
struct Node {
  enum class Kind { none, number, text, tuple, list, dict, global, storage, tensor, other };
  Kind kind = Kind::none;
  std::int64_t number = 0;
  std::string text;                // of a global "module name"; of a storage its type
  std::vector<std::size_t> items;  // of a dict: key, value, key, value
  TorchTensor tensor;              // of a storage its first members
};

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where) : all_(bytes), rest_(bytes), where_(where) {}

  Unpickled run() {
    while (step(byte())) {
    }
    Unpickled out;
    if (stack_.size() != 1) broken("is damaged: more than one value is left");
    collect(stack_[0], "", 0, out);
    return out;
  }
  std::size_t used() const { return all_.size() - rest_.size(); }

 private:
  using Kind = Node::Kind;

  [[noreturn]] void broken(const std::string& what) const { fail(ErrorKind::input, "{}: {}", where_, what); }

  // ---- bytes
  std::string_view take(std::uint64_t n) {
    if (n > rest_.size()) broken("is cut short");
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  unsigned char byte() { return static_cast<unsigned char>(take(1)[0]); }
  template <typename T>
  T little_endian() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string line() {
    const auto end = rest_.find('\n');
    if (end == std::string_view::npos) broken("is cut short");
    const std::string out(take(end));
    take(1);
    return out;
  }

  // ---- the stack
  std::size_t add(Node node) {
    nodes_.push_back(std::move(node));
    return nodes_.size() - 1;
  }
  void push(Node node) { stack_.push_back(add(std::move(node))); }
  void push(Kind kind) { push(Node{kind, 0, "", {}, {}}); }
  void push_number(std::int64_t number) { push(Node{Kind::number, number, "", {}, {}}); }
  void push_text(std::string_view text) { push(Node{Kind::text, 0, std::string(text), {}, {}}); }
  std::size_t pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
      broken("is damaged: nothing to take");
    const std::size_t top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::size_t top() const {
    if (stack_.empty()) broken("is damaged: nothing to take");
    return stack_.back();
  }
  std::vector<std::size_t> pop_marked() {
    if (marks_.empty()) broken("is damaged: an end without a beginning");
    const std::vector<std::size_t> out(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                                       stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  void push_tuple(std::vector<std::size_t> items) { push(Node{Kind::tuple, 0, "", std::move(items), {}}); }
  void push_popped(int count) {
    std::vector<std::size_t> items(static_cast<std::size_t>(count));
    for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
    push_tuple(std::move(items));
  }
  Node& container(Kind kind) {
    Node& node = nodes_[top()];
    if (node.kind != kind && node.kind != Kind::other) broken("is damaged: a value that holds no others");
    return node;
  }
  void put(std::uint32_t at) { memo_[at] = top(); }
  void get(std::uint32_t at) {
    const auto found = memo_.find(at);
    if (found == memo_.end()) broken("is damaged: asks for a value that was not kept");
    stack_.push_back(found->second);
  }

  // ---- what a node must be
  const Node& item(const Node& of, std::size_t k, Kind kind) const {
    if (k >= of.items.size() || nodes_[of.items[k]].kind != kind)
      broken("is damaged: a tensor of another form");
    return nodes_[of.items[k]];
  }
  std::vector<std::int64_t> numbers(const Node& tuple) const {
    std::vector<std::int64_t> out;
    for (std::size_t k = 0; k < tuple.items.size(); ++k) out.push_back(item(tuple, k, Kind::number).number);
    return out;
  }

  // ---- what PyTorch calls
  void push_global(const std::string& module, const std::string& name) {
    const bool known =
        (module == "torch._utils" && (name == "_rebuild_tensor_v2" || name == "_rebuild_parameter")) ||
        (module == "collections" && name == "OrderedDict") ||
        (module == "torch" && name.ends_with("Storage"));
    if (!known)
      broken(fmt::format(
          "asks Python for {}.{}, which is not done: it holds more than tensors; save its state_dict",
          printable(module), printable(name)));
    push(Node{Kind::global, 0, name, {}, {}});
  }

  // ('storage', torch.FloatStorage, key, place, numbers)
  void push_persistent() {
    const Node id = nodes_[pop()];
    if (id.kind != Kind::tuple || item(id, 0, Kind::text).text != "storage")
      broken("refers to something outside it");
    Node storage{Kind::storage, 0, item(id, 1, Kind::global).text, {}, {}};
    storage.tensor.storage = item(id, 2, Kind::text).text;
    storage.tensor.type = storage.text;
    storage.tensor.storage_size = item(id, 4, Kind::number).number;
    push(std::move(storage));
  }

  void call() {
    const Node arguments = nodes_[pop()];
    const Node function = nodes_[pop()];
    if (function.kind != Kind::global || arguments.kind != Kind::tuple) broken("calls what is no function");
    if (function.text == "OrderedDict") {
      if (!arguments.items.empty()) broken("makes an OrderedDict in a way that is not read");
      push(Kind::dict);
    } else if (function.text == "_rebuild_parameter") {
      push(item(arguments, 0, Kind::tensor));
    } else if (function.text == "_rebuild_tensor_v2") {
      Node tensor = item(arguments, 0, Kind::storage);
      tensor.kind = Kind::tensor;
      tensor.tensor.offset = item(arguments, 1, Kind::number).number;
      tensor.tensor.shape = numbers(item(arguments, 2, Kind::tuple));
      tensor.tensor.strides = numbers(item(arguments, 3, Kind::tuple));
      push(std::move(tensor));
    } else {
      broken("calls " + function.text + ", which is not done");
    }
  }

  // One instruction; false behind the last.
  bool step(unsigned char code) {
    switch (code) {
      case 0x80:  // PROTO
        if (const int protocol = byte(); protocol < 2 || protocol > 5)
          broken("is no pickle that is read here");
        return true;
      case 0x95:  // FRAME
        take(8);
        return true;
      case '.':
        return false;
      case 'N':
        push(Kind::none);
        return true;
      case 0x88:  // True
      case 0x89:  // False
        push_number(code == 0x88 ? 1 : 0);
        return true;
      case 'K':
        push_number(byte());
        return true;
      case 'M':
        push_number(little_endian<std::uint16_t>());
        return true;
      case 'J':
        push_number(little_endian<std::int32_t>());
        return true;
      case 0x8a:  // LONG1
        push_long(byte());
        return true;
      case 'G':  // a float: a learning rate beside the tensors
        take(8);
        push(Kind::other);
        return true;
      case 'X':
        push_text(take(little_endian<std::uint32_t>()));
        return true;
      case 0x8c:  // SHORT_BINUNICODE
        push_text(take(byte()));
        return true;
      default:
        return step_of_containers(code);
    }
  }

  bool step_of_containers(unsigned char code) {
    switch (code) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case ')':
        push(Kind::tuple);
        return true;
      case 0x85:
      case 0x86:
      case 0x87:
        push_popped(code - 0x84);
        return true;
      case 't':
        push_tuple(pop_marked());
        return true;
      case '}':
        push(Kind::dict);
        return true;
      case ']':
        push(Kind::list);
        return true;
      case 's': {
        const std::size_t value = pop(), key = pop();
        Node& dict = container(Kind::dict);
        dict.items.insert(dict.items.end(), {key, value});
        return true;
      }
      case 'u': {
        const auto items = pop_marked();
        if (items.size() % 2 != 0) broken("is damaged: a key without a value");
        Node& dict = container(Kind::dict);
        dict.items.insert(dict.items.end(), items.begin(), items.end());
        return true;
      }
      case 'a': {
        const std::size_t value = pop();
        container(Kind::list).items.push_back(value);
        return true;
      }
      case 'e': {
        const auto items = pop_marked();
        Node& list = container(Kind::list);
        list.items.insert(list.items.end(), items.begin(), items.end());
        return true;
      }
      default:
        return step_of_calls(code);
    }
  }

  bool step_of_calls(unsigned char code) {
    switch (code) {
      case 'q':
        put(byte());
        return true;
      case 'r':
        put(little_endian<std::uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        put(static_cast<std::uint32_t>(memo_.size()));
        return true;
      case 'h':
        get(byte());
        return true;
      case 'j':
        get(little_endian<std::uint32_t>());
        return true;
      case 'c': {
        const std::string module = line();
        push_global(module, line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::string name = nodes_[pop()].text;
        push_global(nodes_[pop()].text, name);
        return true;
      }
      case 'Q':
        push_persistent();
        return true;
      case 'R':
        call();
        return true;
      case 'b':  // attributes of an object: the versions in a state_dict's _metadata
        pop();
        return true;
      default:
        broken(
            fmt::format("holds an instruction (0x{:02x}) that a dictionary of tensors does not need", code));
    }
  }

  void push_long(std::size_t bytes) {
    const std::string_view digits = take(bytes);
    std::uint64_t value = 0;
    for (std::size_t k = 0; k < digits.size() && k < 8; ++k)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(digits[k])) << (8 * k);
    if (bytes > 8) push(Kind::other);  // the magic number
    else push_number(static_cast<std::int64_t>(value));
  }

  void collect(std::size_t at, const std::string& name, int depth, Unpickled& out) {
    const Node& node = nodes_[at];
    if (depth > kDeepest || ++collected_ > kMostValues)
      broken("holds dictionaries within dictionaries without an end");
    if (node.kind == Kind::tensor) {
      if (name.empty()) broken("is a tensor, not a dictionary of tensors");
      out.tensors.emplace_back(name, node.tensor);
    } else if (node.kind == Kind::dict) {
      for (std::size_t k = 0; k < node.items.size(); k += 2) {
        const Node& key = nodes_[node.items[k]];
        const std::string word = key.kind == Kind::number ? std::to_string(key.number) : key.text;
        collect(node.items[k + 1], name.empty() ? word : name + "." + word, depth + 1, out);
      }
    } else if (node.kind == Kind::list && depth == 0) {
      for (const std::size_t key : node.items) out.keys.push_back(nodes_[key].text);
    }
  }

  std::string_view all_, rest_;
  const std::string& where_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> stack_, marks_;
  std::map<std::uint32_t, std::size_t> memo_;
  int collected_ = 0;
};

}  // namespace

Unpickled unpickle(std::string_view& bytes, const std::string& where) {
  Machine machine(bytes, where);
  Unpickled out = machine.run();
  bytes.remove_prefix(machine.used());
  return out;
}

}  // namespace melgrad
