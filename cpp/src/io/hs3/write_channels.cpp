#include <algorithm>
#include <cmath>

#include "io/hs3/formulas.hpp"
#include "io/hs3/interpolation.hpp"
#include "io/hs3/sizes.hpp"
#include "io/hs3/writer.hpp"

namespace nablafit::io {
namespace {

std::string quote(const std::string& name) { return "'" + name + "'"; }

/// ROOT's number for a code, or the structured form if there is none.
OrderedJson interpolation(Interpolation code, Hs3Interpolated kind, bool& has_number) {
  const bool is_normsys = kind == Hs3Interpolated::normsys;
  has_number = !is_normsys || (code != Interpolation::polynomial_linear &&
                               code != Interpolation::polynomial_linear_multiplicative);
  if (has_number) return static_cast<int>(code);
  const Hs3InterpolationForm form = hs3_interpolation_form(code);
  OrderedJson result;
  result["type"] = form.type;
  result["in"] = form.in;
  result["out"] = form.out.empty() ? OrderedJson() : OrderedJson(form.out);
  return result;
}

/// The expression with the names of parameters for their positions, `@0`.
std::string with_names(const FormulaFactor& source) {
  std::string result;
  const std::string& text = source.expression;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    while (text[i] == '@' && end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    if (end == i + 1) {
      result += text[i];
    } else {
      result += source.parameters.at(std::stoul(text.substr(i + 1, end - i - 1)));
    }
    i = end;
  }
  return result;
}

}  // namespace

Hs3ChannelWriter::Hs3ChannelWriter(Hs3WriterContext& context, const Channel& channel)
    : context_(context), channel_(channel), n_bins_(channel.n_bins()) {
  errors_.resize(channel.samples.size());
  for (const Axis& axis : channel.axes) {
    if (axis.edges.size() > 2) shape_.push_back(axis.edges.size() - 1);
  }
}

std::string Hs3ChannelWriter::where(const std::string& what) const {
  return what + " in channel " + quote(channel_.name);
}

/// Lists of parameters have the first axis fastest, as in ROOT's ParamHistFunc.
std::size_t Hs3ChannelWriter::bin_of(std::size_t i) const {
  if (shape_.size() < 2) return i;
  std::size_t bin = 0;
  std::size_t stride = n_bins_;
  for (const std::size_t n : shape_) {
    stride /= n;
    bin += (i % n) * stride;
    i /= n;
  }
  return bin;
}

template <typename T>
std::vector<T> Hs3ChannelWriter::in_list_order(const std::vector<T>& by_bin) const {
  std::vector<T> result;
  for (std::size_t i = 0; i < by_bin.size(); ++i) result.push_back(by_bin[bin_of(i)]);
  return result;
}

// --- gammas --------------------------------------------------------------------------------------

/// "Gauss" or "Poisson"; "Poisson" if no parameter is constrained.
std::string Hs3ChannelWriter::constraint_type(const std::vector<std::string>& parameters,
                                              const std::string& what) {
  bool has_gauss = false;
  bool has_poisson = false;
  for (const std::string& name : parameters) {
    const Constraint& constraint = context_.parameter(name).constraint;
    has_gauss = has_gauss || std::holds_alternative<GaussianConstraint>(constraint);
    has_poisson = has_poisson || std::holds_alternative<PoissonConstraint>(constraint);
  }
  if (has_gauss && has_poisson) {
    context_.lose(where(what) + ": Gaussian and Poisson constraints in one modifier");
  }
  return has_gauss ? "Gauss" : "Poisson";
}

/// 0 if the parameter has no constraint that bin-by-bin modifiers can imply.
double Hs3ChannelWriter::relative_uncertainty(const std::string& parameter) {
  const Constraint& constraint = context_.parameter(parameter).constraint;
  if (const auto* gaussian = std::get_if<GaussianConstraint>(&constraint)) return gaussian->sigma;
  if (const auto* poisson = std::get_if<PoissonConstraint>(&constraint)) {
    return 1.0 / std::sqrt(poisson->tau);
  }
  return 0.0;
}

void Hs3ChannelWriter::collect_groups() {
  for (std::size_t s = 0; s < channel_.samples.size(); ++s) {
    const Sample& sample = channel_.samples[s];
    errors_[s] = sample.uncertainties;
    std::size_t n_staterrors = 0;
    for (const Modifier& modifier : sample.modifiers) {
      const auto* source = std::get_if<StatError>(&modifier);
      if (source == nullptr) continue;
      if (++n_staterrors == 2) {
        context_.lose(where("sample " + quote(sample.name)) + ": a second staterror");
      }
      const auto [known, is_new] = group_of_.emplace(source->parameters, groups_.size());
      if (is_new) {
        groups_.push_back(
            {source->parameters,
             {},
             {},
             constraint_type(source->parameters, "staterror " + quote(source->name))});
      }
      groups_[known->second].samples.push_back(s);
      groups_[known->second].sources.push_back(source);
    }
  }
  if (groups_.size() > 1) {
    context_.note(where("ROOT gives all samples the staterror parameters of the first one") +
                  ", but here they differ.");
  }
}

/// Whether the modifiers of a group state the uncertainties of all samples.
bool Hs3ChannelWriter::is_stated(const StatGroup& group) const {
  return std::none_of(group.sources.begin(), group.sources.end(),
                      [](const StatError* source) { return source->uncertainties.empty(); });
}

/// Whether the uncertainties in the modifiers imply the constraints; if so, `relative` already
/// follows from them.
bool Hs3ChannelWriter::has_stated_errors(const StatGroup& group, std::vector<double>& relative) {
  if (channel_.axes.size() > 1) return false;
  std::vector<double> sum(n_bins_, 0.0);
  std::vector<double> squares(n_bins_, 0.0);
  for (std::size_t i = 0; i < group.samples.size(); ++i) {
    const std::size_t s = group.samples[i];
    const std::vector<double>& uncertainties = group.sources[i]->uncertainties;
    if (uncertainties.size() != n_bins_) return false;
    errors_[s] = uncertainties;
    for (std::size_t b = 0; b < n_bins_; ++b) {
      sum[b] += channel_.samples[s].nominal[b];
      squares[b] += uncertainties[b] * uncertainties[b];
    }
  }
  for (std::size_t b = 0; b < n_bins_; ++b) {
    const double implied = sum[b] > 0.0 ? std::sqrt(squares[b]) / sum[b] : 0.0;
    if (std::abs(implied - relative[b]) > 1e-12 * relative[b]) return false;
  }
  return true;
}

/// Uncertainties of the samples in proportion to their yields, so that they imply the constraints.
void Hs3ChannelWriter::share_out_errors(const StatGroup& group) {
  std::vector<double> relative;
  for (std::size_t i = 0; i < n_bins_; ++i) {
    const std::string& name = group.parameters[bin_of(i)];
    relative.push_back(relative_uncertainty(name));
    double sum = 0.0;
    for (const std::size_t s : group.samples) sum += channel_.samples[s].nominal[i];
    if (sum > 0.0) {
      if (relative[i] == 0.0 && !context_.parameter(name).fixed) {
        context_.lose(where("staterror") + ": the free parameter " + quote(name));
      }
      continue;
    }
    if (relative[i] > 0.0 && !context_.parameter(name).fixed) {
      context_.lose(where("staterror") + ": the constraint of " + quote(name) +
                    ", whose samples expect no events");
    } else if (relative[i] > 0.0) {
      context_.note("Terms of fixed gammas in empty bins, which are constant, are left out.");
    }
    relative[i] = 0.0;
  }
  if (has_stated_errors(group, relative)) return;
  if (!is_stated(group)) context_.shared_out.push_back(group.parameters.front());
  for (const std::size_t s : group.samples) errors_[s].assign(n_bins_, 0.0);
  for (std::size_t i = 0; i < n_bins_; ++i) {
    double sum = 0.0;
    double squares = 0.0;
    for (const std::size_t s : group.samples) {
      const double nominal = channel_.samples[s].nominal[i];
      sum += nominal;
      squares += nominal * nominal;
    }
    for (const std::size_t s : group.samples) {
      const double share = squares > 0.0 ? std::abs(channel_.samples[s].nominal[i]) : 0.0;
      if (share > 0.0) errors_[s][i] = relative[i] * sum * share / std::sqrt(squares);
    }
  }
}

OrderedJson Hs3ChannelWriter::write(const ShapeSys& source) {
  std::vector<double> vals;
  for (const std::string& name : source.parameters) {
    vals.push_back(relative_uncertainty(name));
  }
  if (std::all_of(vals.begin(), vals.end(), [](double v) { return v == 0.0; })) {
    context_.note(where("The unconstrained shapesys " + quote(source.name)) +
                  " will be read as a shapefactor.");
  }
  OrderedJson result;
  result["name"] = source.name;
  result["parameters"] = in_list_order(source.parameters);
  result["constraint_type"] = constraint_type(source.parameters, "shapesys " + quote(source.name));
  result["data"]["vals"] = in_list_order(vals);
  result["type"] = "shapesys";
  return result;
}

OrderedJson Hs3ChannelWriter::write(const StatError& source) {
  OrderedJson result;
  result["name"] = source.name;
  result["parameters"] = in_list_order(source.parameters);
  result["constraint_type"] = groups_[group_of_.at(source.parameters)].type;
  result["type"] = "staterror";
  return result;
}

/// As ROOT 6.40 writes it: its reader does not know shapefactors.
OrderedJson Hs3ChannelWriter::write(const ShapeFactor& source) {
  OrderedJson result;
  result["name"] = source.name;
  result["parameters"] = in_list_order(source.parameters);
  result["constraint_type"] = "Gauss";
  result["data"]["vals"] = std::vector<double>(n_bins_, 0.0);
  result["type"] = "shapesys";
  return result;
}

// --- modifiers of whole samples ------------------------------------------------------------------

void Hs3ChannelWriter::name_constraint(OrderedJson& modifier, const std::string& parameter) {
  const Parameter& p = context_.parameter(parameter);
  const bool is_held = std::holds_alternative<GaussianConstraint>(p.constraint) ||
                       std::holds_alternative<PoissonConstraint>(p.constraint);
  if (!is_held || context_.implied.count(parameter) != 0) return;
  modifier["constraint_name"] = context_.constraint_name(p);
  context_.named.insert(parameter);
}

OrderedJson Hs3ChannelWriter::factor(const std::string& name, const std::string& parameter) {
  if (name != parameter) {
    context_.note(where("ROOT takes the name " + quote(name) + " of a normfactor") +
                  " for that of its parameter, " + quote(parameter) + ".");
  }
  OrderedJson result;
  result["name"] = name;
  result["parameter"] = parameter;
  name_constraint(result, parameter);
  result["type"] = "normfactor";
  return result;
}

OrderedJson Hs3ChannelWriter::write(const NormFactor& source) {
  return factor(source.name, source.parameter);
}

OrderedJson Hs3ChannelWriter::write(const Lumi& source) {
  const bool is_usual = (source.parameter == "Lumi" || source.parameter == "lumi") &&
                        is_constrained(context_.parameter(source.parameter));
  if (!is_usual) {
    context_.note("The lumi modifier " + quote(source.name) + " will be read as a normfactor.");
  }
  return factor(source.name, source.parameter);
}

OrderedJson Hs3ChannelWriter::write(const NormSys& source) {
  OrderedJson result;
  result["name"] = source.name;
  result["parameter"] = source.parameter;
  name_constraint(result, source.parameter);
  result["data"]["hi"] = source.high;
  result["data"]["lo"] = source.low;
  bool has_number = false;
  result["interpolation"] =
      interpolation(source.interpolation, Hs3Interpolated::normsys, has_number);
  if (!has_number) {
    context_.note("ROOT 6.40 does not know the interpolation of the normsys " + quote(source.name) +
                  ".");
  }
  if (!is_constrained(context_.parameter(source.parameter))) {
    context_.note("ROOT and pyhs3 give the unconstrained parameter " + quote(source.parameter) +
                  " a Gaussian of unit width.");
  }
  result["type"] = "normsys";
  return result;
}

OrderedJson Hs3ChannelWriter::write(const HistoSys& source) {
  OrderedJson result;
  result["name"] = source.name;
  result["parameter"] = source.parameter;
  name_constraint(result, source.parameter);
  result["data"]["hi"]["contents"] = source.high;
  result["data"]["lo"]["contents"] = source.low;
  if (source.interpolation != Interpolation::polynomial_linear) {
    bool has_number = false;
    result["interpolation"] =
        interpolation(source.interpolation, Hs3Interpolated::histosys, has_number);
    context_.note("ROOT 6.40 ignores the interpolation of the histosys " + quote(source.name) +
                  ".");
  }
  if (!is_constrained(context_.parameter(source.parameter))) {
    context_.note("ROOT and pyhs3 give the unconstrained parameter " + quote(source.parameter) +
                  " a Gaussian of unit width.");
  }
  result["type"] = "histosys";
  return result;
}

OrderedJson Hs3ChannelWriter::write(const FormulaFactor& source) {
  OrderedJson function;
  function["name"] = source.name;
  function["type"] = "generic_function";
  function["expression"] = with_names(source);
  const auto [same_name, is_new] =
      context_.formulas.emplace(source.name, context_.functions.size());
  if (is_new) {
    context_.functions.push_back(function);
  } else if (context_.functions[same_name->second] != function) {
    context_.lose("two formulas of the name " + quote(source.name));
  }
  OrderedJson result;
  result["name"] = source.name;
  result["type"] = "custom";
  return result;
}

bool Hs3ChannelWriter::has_place(const FormulaFactor& source) {
  if (source.function != nullptr) {
    context_.lose("the factor " + quote(source.name) + ", which is a function in C++");
  } else if (source.is_per_bin()) {
    context_.lose("the formula " + quote(source.name) + ", which differs from bin to bin");
  }
  return source.function == nullptr && !source.is_per_bin();
}

OrderedJson Hs3ChannelWriter::modifier(const Modifier& source, const Sample& sample) {
  OrderedJson result = std::visit([this](const auto& m) { return this->write(m); }, source);
  const auto* stat = std::get_if<StatError>(&source);
  if (stat != nullptr && !sample.uncertainties.empty() &&
      sample.uncertainties != stat->uncertainties) {
    context_.note(where("Uncertainties of the sample " + quote(sample.name)) +
                  " are left out: HS3 stores only those of its staterror, and the "
                  "likelihood uses no others.");
  }
  return result;
}

// --- channel -------------------------------------------------------------------------------------

OrderedJson Hs3ChannelWriter::axes() const {
  OrderedJson result = OrderedJson::array();
  for (const Axis& axis : channel_.axes) {
    OrderedJson entry;
    entry["name"] = axis.name;
    entry["min"] = axis.edges.front();
    entry["max"] = axis.edges.back();
    entry["edges"] = axis.edges;
    result.push_back(std::move(entry));
  }
  if (!result.empty()) return result;
  OrderedJson entry;
  entry["name"] = "obs_x_" + channel_.name;
  entry["min"] = 0.0;
  entry["max"] = static_cast<double>(n_bins_);
  entry["nbins"] = n_bins_;
  result.push_back(std::move(entry));
  return result;
}

OrderedJson Hs3ChannelWriter::sample(std::size_t index) {
  const Sample& source = channel_.samples[index];
  OrderedJson result;
  result["name"] = source.name;
  result["data"]["contents"] = source.nominal;
  std::vector<double>& errors = errors_[index];
  const bool is_used =
      std::any_of(source.modifiers.begin(), source.modifiers.end(),
                  [](const Modifier& m) { return std::holds_alternative<StatError>(m); });
  if (is_used && !errors.empty() && errors.front() == 0.0) errors.front() = hs3_no_uncertainty;
  if (!errors.empty()) result["data"]["errors"] = errors;
  OrderedJson& modifiers = result["modifiers"] = OrderedJson::array();
  for (const Modifier& m : source.modifiers) {
    const auto* formula = std::get_if<FormulaFactor>(&m);
    if (formula != nullptr && !has_place(*formula)) continue;
    modifiers.push_back(modifier(m, source));
  }
  return result;
}

OrderedJson Hs3ChannelWriter::write_density(std::size_t n_nodes) {
  const Sample& sample = channel_.samples.front();
  const auto& factor = std::get<FormulaFactor>(sample.modifiers.front());
  write(factor);
  OrderedJson result;
  result["name"] = "model_" + channel_.name;
  result["type"] = hs3_density_type;
  result["x"] = channel_.axes.front().name;
  result["density"] = factor.name;
  result["axes"] = axes();
  append_member(context_.densities, "model_" + channel_.name,
                {{"n_nodes", n_nodes}, {"sample", sample.name}});
  context_.note("ROOT 6.40 does not read the density of the channel " + quote(channel_.name) + ".");
  return result;
}

OrderedJson Hs3ChannelWriter::write() {
  if (const auto n_nodes = hs3_density_nodes_of(channel_)) return write_density(*n_nodes);
  collect_groups();
  for (const StatGroup& group : groups_) share_out_errors(group);
  OrderedJson result;
  result["name"] = "model_" + channel_.name;
  result["type"] = "histfactory_dist";
  result["axes"] = axes();
  if (!groups_.empty()) {
    result["staterror"]["constraint_type"] = groups_.front().type;
    result["staterror"]["relThreshold"] = 0.0;
  }
  OrderedJson& samples = result["samples"] = OrderedJson::array();
  for (std::size_t s = 0; s < channel_.samples.size(); ++s) samples.push_back(sample(s));
  if (channel_.yield_floor) context_.lose(where("the lower limit on total yields"));
  return result;
}

}  // namespace nablafit::io
